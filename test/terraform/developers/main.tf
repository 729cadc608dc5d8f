# What developers sign and clone with, and a user who leaves with all that she has.

variable "certificate" {
  description = "A certificate in PEM."
  type        = string
}

resource "aws_iam_user" "ann" {
  name          = "ann"
  force_destroy = true # with whatever she has by then
}

resource "aws_iam_user_ssh_key" "ann" {
  username   = aws_iam_user.ann.name
  encoding   = "SSH"
  status     = var.later ? "Inactive" : "Active"
  public_key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDYLl2okGVWmSSrQTMXM5x/mBgqxyEnkCOS/LAo8HLJvEhlmcZDEn49QPOEDcb96xtO43GxBvBfO1+TVt6Yt7zA05HAo3TzaFIdEBjA0hpLmMR6t+2mci4Rny1GMnpdNdoufjvu1KQFx6WFEp1T+2JoimqStTNsK7QuW2VDNPySXnKL/9YrYqSVO9EA8sUJm1fyTB+2qnUfDqoSwRsfyH9LtfFREcqvhRSUKkl4gslKaG8mzEgLbNC6iH6VFG8oYA/vYT28RfwJ2oVoUpANvTyH8qot0tlJIqRQEZjTVNy2IdMoLjCeY+Nj4oM/Id9QF608iERTggTsdXkK89WrA0ib"
}

resource "aws_iam_signing_certificate" "ann" {
  user_name        = aws_iam_user.ann.name
  certificate_body = var.certificate
  status           = var.later ? "Inactive" : "Active"
}

resource "aws_iam_service_specific_credential" "ann" {
  user_name    = aws_iam_user.ann.name
  service_name = "codecommit.amazonaws.com"
  status       = var.later ? "Inactive" : "Active"
}

data "aws_iam_user_ssh_key" "ann" {
  username          = aws_iam_user.ann.name
  encoding          = "SSH"
  ssh_public_key_id = aws_iam_user_ssh_key.ann.ssh_public_key_id
}

output "read" {
  value = {
    ssh = data.aws_iam_user_ssh_key.ann.status
  }
}
