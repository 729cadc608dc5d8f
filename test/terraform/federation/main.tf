# Who else is believed: identity providers, by OpenID Connect and by SAML.

variable "metadata" {
  description = "A SAML metadata document."
  type        = string
}

variable "metadata_later" {
  description = "Another, by which the first is replaced."
  type        = string
}

# OpenID Connect.

resource "aws_iam_openid_connect_provider" "forge" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = var.later ? ["sts.amazonaws.com", "another"] : ["sts.amazonaws.com", "one"]
  thumbprint_list = var.later ? ["cf23df2207d99a74fbe169e3eba035e633b65d94"] : ["6938fd4d98bab03faadb97b34396831e3780aea1", "1c58a3a8518e8759bf075b76b750d4f2df264fcd"]
  tags            = var.later ? { of = "another" } : { of = "one", more = "yes" }
}

resource "aws_iam_openid_connect_provider" "path" {
  url             = "https://login.example.com/realms/music"
  client_id_list  = ["music"]
  thumbprint_list = ["cf23df2207d99a74fbe169e3eba035e633b65d94"]
}

data "aws_iam_openid_connect_provider" "forge" {
  url        = "https://token.actions.githubusercontent.com"
  depends_on = [aws_iam_openid_connect_provider.forge]
}

resource "aws_iam_role" "ci" {
  name = "ci"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = aws_iam_openid_connect_provider.forge.arn }
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike   = { "token.actions.githubusercontent.com:sub" = "repo:tule-cloud/*" }
      }
    }]
  })
}

# SAML.

resource "aws_iam_saml_provider" "company" {
  name                   = "company"
  saml_metadata_document = var.later ? var.metadata_later : var.metadata
  tags                   = var.later ? {} : { of = "company" }
}

data "aws_iam_saml_provider" "company" {
  arn = aws_iam_saml_provider.company.arn
}

resource "aws_iam_role" "staff" {
  name = "staff"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithSAML"
      Principal = { Federated = aws_iam_saml_provider.company.arn }
      Condition = { StringEquals = { "SAML:aud" = "https://signin.aws.amazon.com/saml" } }
    }]
  })
}

# And who believes us.

resource "aws_iam_outbound_web_identity_federation" "tokens" {}

output "read" {
  value = {
    forge    = data.aws_iam_openid_connect_provider.forge.arn
    clients  = sort(data.aws_iam_openid_connect_provider.forge.client_id_list)
    thumbs   = length(data.aws_iam_openid_connect_provider.forge.thumbprint_list)
    company  = data.aws_iam_saml_provider.company.arn
    issuer   = startswith(aws_iam_outbound_web_identity_federation.tokens.issuer_identifier, "https://")
    metadata = data.aws_iam_saml_provider.company.saml_metadata_document == (var.later ? var.metadata_later : var.metadata)
  }
}
