"""CloudFormation types of S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    TemplateError,
    key_values,
    resource_type,
    shaped,
    text,
    without,
)

if TYPE_CHECKING:
    pass


@resource_type
class Bucket(ResourceType):
    name = "AWS::S3::Bucket"

    def create(self, context: Context, properties: Properties) -> Made:
        s3 = context.client("s3")
        name = properties.get("BucketName") or context.generated_name(63, lower=True)
        here = {} if context.region == "us-east-1" else {"LocationConstraint": context.region}
        s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": here} if here else {}))
        context.created(name)
        self._configure(context, name, properties)
        domain = f"{name}.s3.amazonaws.com"
        return Made(
            name,
            {
                "Arn": f"arn:{context.partition}:s3:::{name}",
                "DomainName": domain,
                "RegionalDomainName": f"{name}.s3.{context.region}.amazonaws.com",
            },
        )

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self._configure(context, physical_id, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("s3").delete_bucket(Bucket=physical_id)

    @staticmethod
    def _configure(context: Context, bucket: str, properties: Properties) -> None:
        s3 = context.client("s3")

        def put(method: str, **parameters: Any) -> None:
            getattr(s3, method)(**shaped(s3, method, {"Bucket": bucket, **parameters}))

        for key, value in without(properties, "BucketName", "Tags").items():
            match key:
                case "PublicAccessBlockConfiguration":
                    put("put_public_access_block", PublicAccessBlockConfiguration=value)
                case "BucketEncryption":
                    rules = [
                        {
                            ("ApplyServerSideEncryptionByDefault" if k == "ServerSideEncryptionByDefault" else k): v
                            for k, v in rule.items()
                        }
                        for rule in value["ServerSideEncryptionConfiguration"]
                    ]
                    put("put_bucket_encryption", ServerSideEncryptionConfiguration={"Rules": rules})
                case "VersioningConfiguration":
                    put("put_bucket_versioning", VersioningConfiguration=value)
                case "OwnershipControls":
                    put("put_bucket_ownership_controls", OwnershipControls=value)
                case "LifecycleConfiguration":
                    rules = [_lifecycle_rule(rule) for rule in value["Rules"]]
                    put("put_bucket_lifecycle_configuration", LifecycleConfiguration={"Rules": rules})
                case _:
                    raise TemplateError(f"Encountered unsupported property {key}")
        tags = context.tags(properties, system=False)
        if tags:
            put("put_bucket_tagging", Tagging={"TagSet": key_values(tags)})


def _lifecycle_rule(rule: Properties) -> Properties:
    fitted: Properties = {"ID": rule.get("Id", "rule"), "Status": rule["Status"]}
    fitted["Filter"] = {"Prefix": rule.get("Prefix", "")}
    if "ExpirationInDays" in rule:
        fitted["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "NoncurrentVersionExpiration" in rule:
        fitted["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    if "AbortIncompleteMultipartUpload" in rule:
        fitted["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    other = rule.keys() - {
        "Id", "Status", "Prefix", "ExpirationInDays", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload",
    }  # fmt: skip
    if other:
        raise TemplateError(f"Encountered unsupported property {', '.join(sorted(other))}")
    return fitted


@resource_type
class BucketPolicy(ResourceType):
    name = "AWS::S3::BucketPolicy"

    def create(self, context: Context, properties: Properties) -> Made:
        document = text(properties["PolicyDocument"])
        context.client("s3").put_bucket_policy(Bucket=properties["Bucket"], Policy=document)
        return Made(properties["Bucket"])

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("s3").delete_bucket_policy(Bucket=properties["Bucket"])
