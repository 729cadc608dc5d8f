# Users, groups, roles and policies, and everything that ties one to another.

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
  statement {
    actions = ["sts:AssumeRole", "sts:TagSession"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root", aws_iam_role.deployer.arn]
    }
    dynamic "condition" {
      for_each = var.later ? [1] : []
      content {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = ["sesame"]
      }
    }
  }
}

data "aws_iam_policy_document" "songs" {
  statement {
    sid       = "Read"
    actions   = concat(["dynamodb:GetItem", "dynamodb:Query"], var.later ? ["dynamodb:Scan"] : [])
    resources = ["arn:aws:dynamodb:*:*:table/songs", "arn:aws:dynamodb:*:*:table/songs/index/*"]
    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["&{aws:username}", "common"]
    }
  }
  statement {
    effect        = "Deny"
    not_actions   = ["dynamodb:*", "iam:*", "sts:*"]
    not_resources = ["arn:aws:logs:*:*:*"]
  }
}

# Policies.

resource "aws_iam_policy" "songs" {
  name        = "songs"
  path        = "/music/"
  description = "Reads songs."
  policy      = data.aws_iam_policy_document.songs.json
  tags        = var.later ? { tier = "gold" } : { tier = "silver", owner = "ann" }
}

resource "aws_iam_policy" "boundary" {
  name_prefix = "boundary-"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = { Effect = "Allow", Action = "*", Resource = "*" }
  })
}

# The managed policies of AWS, by ARN and by name.

data "aws_iam_policy" "basic" {
  arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

data "aws_iam_policy" "administrator" {
  name = "AdministratorAccess"
}

# Roles.

resource "aws_iam_role" "deployer" {
  name_prefix = "deployer-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })
}

resource "aws_iam_role" "worker" {
  name                  = "worker"
  path                  = "/work/"
  description           = var.later ? "Works by day & night." : "Works: \"quoted\", <marked>, +plus, 100 %."
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  max_session_duration  = var.later ? 7200 : 3600
  permissions_boundary  = var.later ? null : aws_iam_policy.boundary.arn
  force_detach_policies = true
  tags                  = var.later ? { team = "b" } : { team = "a", "with space" = "and: colon/slash=+" }
}

resource "aws_iam_role" "inline" { # inline and managed policies as blocks of the role, as older modules have them
  name                 = "inline"
  assume_role_policy   = aws_iam_role.deployer.assume_role_policy
  permissions_boundary = var.later ? aws_iam_policy.boundary.arn : null
  managed_policy_arns  = var.later ? [aws_iam_policy.songs.arn] : [data.aws_iam_policy.basic.arn, aws_iam_policy.songs.arn]
  inline_policy {
    name   = "first"
    policy = data.aws_iam_policy_document.songs.json
  }
  inline_policy {
    name   = var.later ? "third" : "second"
    policy = aws_iam_policy.boundary.policy
  }
}

resource "aws_iam_role_policy" "worker" {
  name   = "own"
  role   = aws_iam_role.worker.name
  policy = data.aws_iam_policy_document.songs.json
}

resource "aws_iam_role_policy_attachment" "worker" {
  for_each   = toset(var.later ? [data.aws_iam_policy.administrator.arn] : [data.aws_iam_policy.basic.arn, data.aws_iam_policy.administrator.arn])
  role       = aws_iam_role.worker.name
  policy_arn = each.value
}

resource "aws_iam_role_policies_exclusive" "worker" {
  role_name    = aws_iam_role.worker.name
  policy_names = [aws_iam_role_policy.worker.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "deployer" {
  role_name   = aws_iam_role.deployer.name
  policy_arns = var.later ? [] : [data.aws_iam_policy.basic.arn]
}

resource "aws_iam_instance_profile" "worker" {
  name = "worker"
  path = "/work/"
  role = var.later ? aws_iam_role.deployer.name : aws_iam_role.worker.name
  tags = var.later ? { team = "b" } : { team = "a", old = "yes" }
}

# Users.

resource "aws_iam_user" "ann" {
  name                 = var.later ? "anna" : "ann" # renamed in place
  path                 = var.later ? "/people/staff/" : "/people/"
  permissions_boundary = var.later ? aws_iam_policy.songs.arn : aws_iam_policy.boundary.arn
  tags                 = var.later ? {} : { role = "singer" }
}

resource "aws_iam_user" "bob" {
  name = "bob@example.com"
}

resource "aws_iam_access_key" "ann" {
  user   = aws_iam_user.ann.name
  status = "Active"
}

resource "aws_iam_access_key" "bob" {
  user   = aws_iam_user.bob.name
  status = var.later ? "Inactive" : "Active"
}

resource "aws_iam_user_policy" "bob" {
  name   = "own"
  user   = aws_iam_user.bob.name
  policy = data.aws_iam_policy_document.songs.json
}

resource "aws_iam_user_policy_attachment" "ann" {
  user       = aws_iam_user.ann.name
  policy_arn = data.aws_iam_policy.administrator.arn
}

resource "aws_iam_user_policy_attachment" "bob" {
  user       = aws_iam_user.bob.name
  policy_arn = data.aws_iam_policy.basic.arn
}

resource "aws_iam_user_policies_exclusive" "bob" {
  user_name    = aws_iam_user.bob.name
  policy_names = [aws_iam_user_policy.bob.name]
}

resource "aws_iam_user_policy_attachments_exclusive" "bob" {
  user_name   = aws_iam_user.bob.name
  policy_arns = [aws_iam_user_policy_attachment.bob.policy_arn]
}

# Groups.

resource "aws_iam_group" "singers" {
  name = var.later ? "choir" : "singers" # renamed in place
  path = var.later ? "/music/" : "/"
}

resource "aws_iam_group" "listeners" {
  name = "listeners"
}

resource "aws_iam_group_policy" "listeners" {
  name_prefix = "own-"
  group       = aws_iam_group.listeners.name
  policy      = data.aws_iam_policy_document.songs.json
}

resource "aws_iam_group_policy_attachment" "listeners" {
  group      = aws_iam_group.listeners.name
  policy_arn = aws_iam_policy.songs.arn
}

resource "aws_iam_group_membership" "singers" {
  name  = "singers"
  group = aws_iam_group.singers.name
  users = var.later ? [aws_iam_user.bob.name] : [aws_iam_user.ann.name, aws_iam_user.bob.name]
}

resource "aws_iam_user_group_membership" "bob" {
  user   = aws_iam_user.bob.name
  groups = [aws_iam_group.listeners.name]
}

# One policy, and all that it is attached to.

resource "aws_iam_policy" "everybody" {
  name   = "everybody"
  policy = data.aws_iam_policy_document.songs.json
}

resource "aws_iam_policy_attachment" "everybody" {
  name       = "everybody"
  policy_arn = aws_iam_policy.everybody.arn
  users      = [aws_iam_user.ann.name]
  groups     = var.later ? [aws_iam_group.listeners.name, aws_iam_group.singers.name] : [aws_iam_group.singers.name]
  roles      = var.later ? [] : [aws_iam_role.worker.name]
}

# The account.

resource "aws_iam_account_alias" "alias" {
  account_alias = var.later ? "tule-later" : "tule-first"
}

# What is read only: each of these looks for something that is made above.

data "aws_iam_role" "worker" {
  name       = "worker"
  depends_on = [aws_iam_role.worker]
}

data "aws_iam_roles" "work" {
  path_prefix = "/work/"
  depends_on  = [aws_iam_role.worker]
}

data "aws_iam_roles" "named" {
  name_regex = "^(worker|inline)$"
  depends_on = [aws_iam_role.worker, aws_iam_role.inline]
}

data "aws_iam_user" "ann" {
  user_name  = aws_iam_user.ann.name
  depends_on = [aws_iam_user.ann]
}

data "aws_iam_users" "people" {
  path_prefix = "/people/"
  depends_on  = [aws_iam_user.ann]
}

data "aws_iam_group" "singers" {
  group_name = aws_iam_group_membership.singers.group
}

data "aws_iam_policy" "songs" {
  name       = "songs"
  depends_on = [aws_iam_policy.songs]
}

data "aws_iam_instance_profile" "worker" {
  name = aws_iam_instance_profile.worker.name
}

data "aws_iam_access_keys" "bob" {
  user       = aws_iam_access_key.bob.user
  depends_on = [aws_iam_access_key.bob]
}

data "aws_iam_account_alias" "alias" {
  depends_on = [aws_iam_account_alias.alias]
}

data "aws_iam_session_context" "me" {
  arn = data.aws_caller_identity.me.arn
}

data "aws_iam_principal_policy_simulation" "ann" {
  policy_source_arn = aws_iam_user.ann.arn
  action_names      = ["dynamodb:PutItem"] # which the boundary allows first, and later does not
  resource_arns     = ["arn:aws:dynamodb:eu-west-1:${var.account}:table/songs"]
  depends_on        = [aws_iam_user_policy_attachment.ann, aws_iam_policy_attachment.everybody]
}

output "read" {
  value = {
    me            = data.aws_caller_identity.me.arn
    issuer        = data.aws_iam_session_context.me.issuer_arn
    worker        = data.aws_iam_role.worker.arn
    description   = data.aws_iam_role.worker.description
    session       = data.aws_iam_role.worker.max_session_duration
    work          = tolist(data.aws_iam_roles.work.names)
    named         = sort(data.aws_iam_roles.named.names)
    ann           = data.aws_iam_user.ann.arn
    people        = tolist(data.aws_iam_users.people.names)
    singers       = sort(data.aws_iam_group.singers.users[*].user_name)
    songs         = data.aws_iam_policy.songs.arn
    songs_tags    = data.aws_iam_policy.songs.tags
    administrator = data.aws_iam_policy.administrator.arn
    basic         = data.aws_iam_policy.basic.path
    profile       = data.aws_iam_instance_profile.worker.role_name == aws_iam_role.worker.name
    bob           = data.aws_iam_access_keys.bob.access_keys[*].status
    allowed       = data.aws_iam_principal_policy_simulation.ann.all_allowed
    alias         = data.aws_iam_account_alias.alias.account_alias
  }
}
