# What users show to be believed, and the rules for it.

resource "aws_iam_account_password_policy" "rules" {
  minimum_password_length        = var.later ? 16 : 12
  require_lowercase_characters   = true
  require_uppercase_characters   = true
  require_numbers                = true
  require_symbols                = var.later
  allow_users_to_change_password = true
  hard_expiry                    = false
  max_password_age               = var.later ? 90 : 0
  password_reuse_prevention      = var.later ? 5 : 0
}

resource "aws_iam_security_token_service_preferences" "tokens" {
  global_endpoint_token_version = var.later ? "v2Token" : "v1Token"
}

resource "aws_iam_user" "ann" {
  name = "ann"
}

resource "aws_iam_user_login_profile" "ann" {
  user            = aws_iam_user.ann.name
  password_length = 24
  depends_on      = [aws_iam_account_password_policy.rules]
}

resource "aws_iam_virtual_mfa_device" "ann" {
  virtual_mfa_device_name = "ann"
  path                    = "/people/"
  tags                    = var.later ? { on = "telephone" } : { on = "paper", old = "yes" }
}

output "read" {
  sensitive = true
  value = {
    password = length(aws_iam_user_login_profile.ann.password)
    seed     = length(aws_iam_virtual_mfa_device.ann.base_32_string_seed)
    device   = aws_iam_virtual_mfa_device.ann.arn
  }
}
