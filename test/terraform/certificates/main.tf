# What servers show to be believed.

variable "certificate" {
  description = "A certificate in PEM."
  type        = string
}

variable "key" {
  description = "The private key of the certificate, in PEM."
  type        = string
}

resource "aws_iam_server_certificate" "site" {
  name             = "site"
  path             = "/cloudfront/"
  certificate_body = var.certificate
  private_key      = var.key
  tags             = var.later ? { site = "b" } : { site = "a", old = "yes" }
}

resource "aws_iam_server_certificate" "chained" {
  name_prefix       = "chained-"
  certificate_body  = var.certificate
  certificate_chain = var.certificate
  private_key       = var.key
}

data "aws_iam_server_certificate" "site" {
  name = aws_iam_server_certificate.site.name
}

output "read" {
  sensitive = true
  value = {
    site = data.aws_iam_server_certificate.site.arn
    body = trimspace(data.aws_iam_server_certificate.site.certificate_body) == trimspace(var.certificate)
  }
}
