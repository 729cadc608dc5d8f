# Tables with indexes and streams; a bus with rules, an archive and an API destination; and
# schedules in a group.

resource "aws_dynamodb_table" "orders" {
  name             = "orders"
  billing_mode     = var.later ? "PAY_PER_REQUEST" : "PROVISIONED"
  read_capacity    = var.later ? null : 5
  write_capacity   = var.later ? null : 4
  hash_key         = "customer"
  range_key        = "at"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"
  tags             = { team = var.later ? "blue" : "red" }

  attribute {
    name = "customer"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
  attribute {
    name = "state"
    type = "S"
  }
  dynamic "attribute" {
    for_each = var.later ? ["city"] : []
    content {
      name = attribute.value
      type = "S"
    }
  }
  local_secondary_index {
    name               = "by-state"
    range_key          = "state"
    projection_type    = "INCLUDE"
    non_key_attributes = ["total"]
  }
  global_secondary_index {
    name            = "state"
    hash_key        = "state"
    projection_type = "KEYS_ONLY"
    read_capacity   = var.later ? null : 3
    write_capacity  = var.later ? null : 2
  }
  dynamic "global_secondary_index" {
    for_each = var.later ? ["city"] : []
    content {
      name            = global_secondary_index.value
      hash_key        = "city"
      range_key       = "at"
      projection_type = "ALL"
    }
  }
  ttl {
    attribute_name = var.later ? "ends" : ""
    enabled        = var.later
  }
  point_in_time_recovery {
    enabled = var.later
  }
}

resource "aws_dynamodb_table_item" "first" {
  table_name = aws_dynamodb_table.orders.name
  hash_key   = "customer"
  range_key  = "at"
  item = jsonencode({
    customer = { S = "ann" }
    at       = { N = "1" }
    total    = { N = var.later ? "8" : "7" }
  })
}

resource "aws_dynamodb_resource_policy" "orders" {
  resource_arn = aws_dynamodb_table.orders.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Read"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.account}:root" }
      Action    = var.later ? ["dynamodb:GetItem", "dynamodb:Query"] : ["dynamodb:GetItem"]
      Resource  = aws_dynamodb_table.orders.arn
    }]
  })
}

resource "aws_iam_role" "events" {
  name = "events"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = ["events.amazonaws.com", "scheduler.amazonaws.com"] }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_sqs_queue" "work" {
  name = "work"
}

resource "aws_sqs_queue" "dead" {
  name = "dead"
}

resource "aws_cloudwatch_event_bus" "shop" {
  name        = "shop"
  description = var.later ? "The shop's own." : "The shop's."
  tags        = { team = "red" }
}

resource "aws_cloudwatch_event_bus_policy" "shop" {
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Put"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.account}:root" }
      Action    = "events:PutEvents"
      Resource  = aws_cloudwatch_event_bus.shop.arn
    }]
  })
}

resource "aws_cloudwatch_event_rule" "orders" {
  name           = "orders"
  description    = "Orders & <more>."
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  state          = var.later ? "DISABLED" : "ENABLED"
  event_pattern  = jsonencode({ source = ["shop"], detail = { total = [{ numeric = [">", var.later ? 20 : 10] }] } })
  tags           = { team = var.later ? "blue" : "red" }
}

resource "aws_cloudwatch_event_target" "work" {
  rule           = aws_cloudwatch_event_rule.orders.name
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  target_id      = "work"
  arn            = aws_sqs_queue.work.arn
  input_transformer {
    input_paths    = { total = "$.detail.total" }
    input_template = var.later ? "\"It is <total>.\"" : "{\"total\": <total>}"
  }
  retry_policy {
    maximum_retry_attempts       = var.later ? 5 : 3
    maximum_event_age_in_seconds = 600
  }
  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }
}

resource "aws_cloudwatch_event_rule" "hourly" {
  name                = "hourly"
  schedule_expression = var.later ? "cron(0 12 * * ? *)" : "rate(1 hour)"
}

resource "aws_cloudwatch_event_archive" "orders" {
  name             = "orders"
  event_source_arn = aws_cloudwatch_event_bus.shop.arn
  event_pattern    = jsonencode({ source = ["shop"] })
  retention_days   = var.later ? 60 : 30
}

resource "aws_cloudwatch_event_connection" "partner" {
  name               = "partner"
  authorization_type = "API_KEY"
  auth_parameters {
    api_key {
      key   = "X-Key"
      value = var.later ? "second" : "first"
    }
  }
}

resource "aws_cloudwatch_event_api_destination" "partner" {
  name                             = "partner"
  connection_arn                   = aws_cloudwatch_event_connection.partner.arn
  invocation_endpoint              = "https://partner.example.com/orders"
  http_method                      = "POST"
  invocation_rate_limit_per_second = var.later ? 20 : 10
}

resource "aws_scheduler_schedule_group" "nightly" {
  name = "nightly"
  tags = { team = var.later ? "blue" : "red" }
}

resource "aws_scheduler_schedule" "report" {
  name                         = "report"
  group_name                   = aws_scheduler_schedule_group.nightly.name
  schedule_expression          = var.later ? "cron(30 2 * * ? *)" : "rate(12 hours)"
  schedule_expression_timezone = var.later ? "Europe/Berlin" : "UTC"
  state                        = var.later ? "DISABLED" : "ENABLED"
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }
  target {
    arn      = aws_sqs_queue.work.arn
    role_arn = aws_iam_role.events.arn
    input    = jsonencode({ report = "daily" })
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = var.later ? 9 : 8
    }
    dead_letter_config {
      arn = aws_sqs_queue.dead.arn
    }
  }
}

resource "aws_scheduler_schedule" "once" {
  name                = "once"
  schedule_expression = "at(2099-01-01T00:00:00)"
  flexible_time_window {
    mode = "OFF"
  }
  target {
    arn      = "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"
    role_arn = aws_iam_role.events.arn
    input    = jsonencode({ MessageBody = "it is time", QueueUrl = aws_sqs_queue.work.url })
  }
}

output "read" {
  value = {
    table    = aws_dynamodb_table.orders.arn
    indexes  = length(aws_dynamodb_table.orders.global_secondary_index)
    rule     = aws_cloudwatch_event_rule.orders.arn
    schedule = aws_scheduler_schedule.report.arn
  }
}
