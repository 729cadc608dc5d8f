# What every scenario here begins with: HashiCorp's provider, sent to a Tule.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  region                  = "eu-west-1"
  access_key              = var.account # twelve digits: the root of that account
  secret_key              = "test"
  max_retries             = 2
  skip_metadata_api_check = true

  # The host is an address, before which no bucket's name has room, and no account's
  # number, which the provider puts there for S3 Control once it knows it.
  s3_use_path_style          = true
  skip_requesting_account_id = var.numberless
  skip_credentials_validation = var.numberless

  endpoints {
    cloudwatch = var.endpoint
    dynamodb   = var.endpoint
    events     = var.endpoint
    firehose   = var.endpoint
    iam        = var.endpoint
    kinesis    = var.endpoint
    logs       = var.endpoint
    s3         = var.endpoint
    s3control  = var.endpoint
    scheduler  = var.endpoint
    sns        = var.endpoint
    sqs        = var.endpoint
    sts        = var.endpoint
  }

  default_tags {
    tags = { suite = "terraform" }
  }
}

variable "endpoint" {
  description = "Where Tule serves HTTP."
  type        = string
}

variable "account" {
  description = "Whose resources these are. Empty when the scenario starts, and when it ends."
  type        = string
}

variable "numberless" {
  description = "Whether the provider is not to find out whose account it works in."
  type        = bool
  default     = false
}

variable "later" {
  description = "Each scenario is applied twice: as it is first, and as it is changed later."
  type        = bool
  default     = false
}
