"use strict";
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  const requests = [...document.querySelectorAll(".request")]
    .map((element) => ({ element, text: element.textContent.toLowerCase() }));
  const choices = [...form.querySelectorAll("select")].map((select) => select.name);

  const filter = () => {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = choices.filter((name) => form[name].value);
    let count = 0;
    for (const { element, text } of requests) {
      const fits = words.every((word) => text.includes(word))
        && wanted.every((name) => element.dataset[name] === form[name].value);
      element.hidden = !fits;
      count += fits;
    }
    shown.textContent = words.length || wanted.length
      ? `${count} of ${requests.length} requests shown`
      : `All ${requests.length} requests shown`;
    none.hidden = count > 0;
  };

  const remember = () => {
    const state = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...state]) if (!value) state.delete(name);
    history.replaceState(null, "", `#${state}`);
  };

  const recall = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    form.q.value = state.get("q") ?? "";
    for (const name of choices) {
      form[name].value = state.get(name) ?? "";
      if (form[name].selectedIndex < 0) form[name].value = "";
    }
    filter();
  };

  form.addEventListener("input", () => { filter(); remember(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { filter(); remember(); }));
  addEventListener("hashchange", recall);
  form.hidden = false;
  recall();
})();
