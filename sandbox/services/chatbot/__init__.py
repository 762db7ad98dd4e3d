"""Amazon Q Developer in chat applications, whose API is still named chatbot."""
