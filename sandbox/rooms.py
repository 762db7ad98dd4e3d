"""Every room that adds rules or services to the account, imported once by the first Sandbox.

A room registers itself on import: rules by ``@gateway.rule``, services by ``account.SERVICES``, targets of EventBridge
by ``event_bus.TARGETS``.
"""

from sandbox import alarms as alarms
from sandbox import cloudformation as cloudformation
from sandbox import custom_resources as custom_resources
from sandbox import event_bus as event_bus
from sandbox import event_buses as event_buses
from sandbox import event_rules as event_rules
from sandbox import event_sources as event_sources
from sandbox import event_targets as event_targets
from sandbox import execute_api as execute_api
from sandbox import insights as insights
from sandbox import lambda_runtime as lambda_runtime
from sandbox import model_constraints as model_constraints
from sandbox import move_tasks as move_tasks
from sandbox import queue_clock as queue_clock
from sandbox import scheduler as scheduler
from sandbox import schedules as schedules
from sandbox import stack_descriptions as stack_descriptions
from sandbox import stack_sets as stack_sets
from sandbox import topics as topics
from sandbox.rules import dashboards as dashboards
from sandbox.rules import event_history as event_history
from sandbox.rules import gateway_checks as gateway_checks
from sandbox.rules import iam as iam
from sandbox.rules import iam_documents as iam_documents
from sandbox.rules import log_deliveries as log_deliveries
from sandbox.rules import log_filters as log_filters
from sandbox.rules import log_resource_policies as log_resource_policies
from sandbox.rules import log_streams as log_streams
from sandbox.rules import logs as logs
from sandbox.rules import query_definitions as query_definitions
from sandbox.rules import rest_account as rest_account
from sandbox.rules import rest_api_members as rest_api_members
from sandbox.rules import rest_apis as rest_apis
from sandbox.rules import rest_resources as rest_resources
from sandbox.rules import rest_stages as rest_stages
from sandbox.rules import s3 as s3
from sandbox.rules import sqs as sqs
from sandbox.rules import sts as sts
from sandbox.rules import tagging as tagging
from sandbox.rules import v2_apis as v2_apis
from sandbox.rules import v2_deployments as v2_deployments
from sandbox.rules import v2_stages as v2_stages
