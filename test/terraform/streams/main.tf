# A stream whose records are delivered to a bucket; a log group that is counted and passed
# on; and alarms, a dashboard and a stream of metrics that watch over it.

resource "aws_kinesis_stream" "clicks" {
  name                      = "clicks"
  shard_count               = var.later ? 4 : 2
  retention_period          = var.later ? 72 : 24
  shard_level_metrics       = var.later ? ["IncomingBytes", "OutgoingBytes"] : ["IncomingBytes"]
  enforce_consumer_deletion = true
  tags                      = { team = var.later ? "blue" : "red" }
}

resource "aws_kinesis_stream" "elastic" {
  name = "elastic"
  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_kinesis_stream_consumer" "reader" {
  name       = "reader"
  stream_arn = aws_kinesis_stream.clicks.arn
}

resource "aws_s3_bucket" "arrivals" {
  bucket        = "${var.account}-arrivals"
  force_destroy = true
}

resource "aws_iam_role" "deliver" {
  name = "deliver"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["firehose.amazonaws.com", "logs.amazonaws.com", "streams.metrics.cloudwatch.amazonaws.com"] }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "deliver" {
  role = aws_iam_role.deliver.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = ["s3:PutObject", "s3:GetObject"], Resource = "${aws_s3_bucket.arrivals.arn}/*" },
      { Effect = "Allow", Action = ["kinesis:Get*", "kinesis:Describe*", "kinesis:List*", "kinesis:Put*"], Resource = "*" },
      { Effect = "Allow", Action = "firehose:Put*", Resource = "*" },
      { Effect = "Allow", Action = "logs:PutLogEvents", Resource = "*" },
    ]
  })
}

resource "aws_kinesis_firehose_delivery_stream" "clicks" {
  name        = "clicks"
  destination = "extended_s3"
  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.clicks.arn
    role_arn           = aws_iam_role.deliver.arn
  }
  extended_s3_configuration {
    role_arn            = aws_iam_role.deliver.arn
    bucket_arn          = aws_s3_bucket.arrivals.arn
    prefix              = "clicks/!{timestamp:yyyy}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/"
    buffering_interval  = var.later ? 120 : 60
    buffering_size      = 64
    compression_format  = var.later ? "GZIP" : "UNCOMPRESSED"
    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.app.name
      log_stream_name = aws_cloudwatch_log_stream.delivery.name
    }
  }
  depends_on = [aws_iam_role_policy.deliver]
}

resource "aws_kinesis_firehose_delivery_stream" "parted" {
  name        = "parted"
  destination = "extended_s3"
  extended_s3_configuration {
    role_arn            = aws_iam_role.deliver.arn
    bucket_arn          = aws_s3_bucket.arrivals.arn
    prefix              = "by/!{partitionKeyFromQuery:who}/"
    error_output_prefix = "errors/"
    buffering_size      = 64
    dynamic_partitioning_configuration {
      enabled = true
    }
    processing_configuration {
      enabled = true
      processors {
        type = "MetadataExtraction"
        parameters {
          parameter_name  = "JsonParsingEngine"
          parameter_value = "JQ-1.6"
        }
        parameters {
          parameter_name  = "MetadataExtractionQuery"
          parameter_value = "{who:.who}"
        }
      }
    }
  }
  server_side_encryption {
    enabled = var.later
  }
}

resource "aws_kinesis_firehose_delivery_stream" "endpoint" {
  name        = "endpoint"
  destination = "http_endpoint"
  http_endpoint_configuration {
    url                = "https://127.0.0.1:1/in"
    name               = var.later ? "Later" : "First"
    access_key         = "secret"
    buffering_size     = 5
    buffering_interval = 300
    retry_duration     = var.later ? 30 : 60
    role_arn           = aws_iam_role.deliver.arn
    s3_backup_mode     = "FailedDataOnly"
    s3_configuration {
      role_arn   = aws_iam_role.deliver.arn
      bucket_arn = aws_s3_bucket.arrivals.arn
    }
    request_configuration {
      content_encoding = "GZIP"
      common_attributes {
        name  = "suite"
        value = "terraform"
      }
    }
  }
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/app/web"
  retention_in_days = var.later ? 30 : 7
  tags              = { team = "red" }
}

resource "aws_cloudwatch_log_stream" "delivery" {
  name           = "delivery"
  log_group_name = aws_cloudwatch_log_group.app.name
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  log_group_name = aws_cloudwatch_log_group.app.name
  pattern        = var.later ? "{ $.level = \"ERROR\" || $.level = \"FATAL\" }" : "{ $.level = \"ERROR\" }"
  metric_transformation {
    name          = "Errors"
    namespace     = "App"
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_log_subscription_filter" "stream" {
  name            = "stream"
  log_group_name  = aws_cloudwatch_log_group.app.name
  filter_pattern  = var.later ? "ERROR" : ""
  destination_arn = aws_kinesis_stream.elastic.arn
  role_arn        = aws_iam_role.deliver.arn
  distribution    = "Random"
  depends_on      = [aws_iam_role_policy.deliver]
}

resource "aws_cloudwatch_log_destination" "shared" {
  name       = "shared"
  role_arn   = aws_iam_role.deliver.arn
  target_arn = aws_kinesis_stream.elastic.arn
  depends_on = [aws_iam_role_policy.deliver]
}

resource "aws_cloudwatch_log_destination_policy" "shared" {
  destination_name = aws_cloudwatch_log_destination.shared.name
  access_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "222233334444" }
      Action    = "logs:PutSubscriptionFilter"
      Resource  = aws_cloudwatch_log_destination.shared.arn
    }]
  })
}

resource "aws_cloudwatch_log_resource_policy" "events" {
  policy_name = "events"
  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "logs:PutLogEvents"
      Resource  = "arn:aws:logs:eu-west-1:${var.account}:log-group:/aws/events/*:*"
    }]
  })
}

resource "aws_cloudwatch_query_definition" "slow" {
  name            = "slow"
  log_group_names = [aws_cloudwatch_log_group.app.name]
  query_string    = "fields @timestamp, took | filter took > ${var.later ? 500 : 100} | sort took desc"
}

resource "aws_sns_topic" "alarms" {
  name = "alarms"
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "errors"
  alarm_description   = "Too many errors."
  namespace           = "App"
  metric_name         = "Errors"
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = var.later ? 3 : 1
  datapoints_to_alarm = var.later ? 2 : 1
  threshold           = var.later ? 10 : 5
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = var.later ? [aws_sns_topic.alarms.arn] : []
  dimensions          = { Service = "web" }
}

resource "aws_cloudwatch_metric_alarm" "rate" {
  alarm_name          = "rate"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 2
  threshold           = 0.5
  metric_query {
    id          = "rate"
    expression  = "errors / requests"
    label       = "Error rate"
    return_data = true
  }
  metric_query {
    id = "errors"
    metric {
      namespace   = "App"
      metric_name = "Errors"
      period      = 300
      stat        = "Sum"
    }
  }
  metric_query {
    id = "requests"
    metric {
      namespace   = "App"
      metric_name = "Requests"
      period      = 300
      stat        = var.later ? "p90" : "Sum"
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "both" {
  alarm_name    = "both"
  alarm_rule    = "ALARM(${aws_cloudwatch_metric_alarm.errors.alarm_name}) ${var.later ? "OR" : "AND"} ALARM(${aws_cloudwatch_metric_alarm.rate.alarm_name})"
  alarm_actions = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_dashboard" "app" {
  dashboard_name = "app"
  dashboard_body = jsonencode({
    widgets = [{
      type   = "metric", x = 0, y = 0, width = 12, height = 6
      properties = {
        metrics = [["App", "Errors", "Service", "web"]]
        period  = var.later ? 60 : 300
        stat    = "Sum"
        region  = "eu-west-1"
        title   = "Errors"
      }
    }]
  })
}

resource "aws_cloudwatch_metric_stream" "all" {
  name          = "all"
  role_arn      = aws_iam_role.deliver.arn
  firehose_arn  = aws_kinesis_firehose_delivery_stream.parted.arn
  output_format = var.later ? "opentelemetry1.0" : "json"
  include_filter {
    namespace    = "App"
    metric_names = ["Errors"]
  }
}

data "aws_kinesis_stream" "clicks" {
  name       = aws_kinesis_stream.clicks.name
  depends_on = [aws_kinesis_stream.clicks]
}

data "aws_cloudwatch_log_groups" "app" {
  log_group_name_prefix = "/app/"
  depends_on            = [aws_cloudwatch_log_group.app]
}

output "read" {
  value = {
    retention = data.aws_kinesis_stream.clicks.retention_period
    open      = length(data.aws_kinesis_stream.clicks.open_shards)
    groups    = tolist(data.aws_cloudwatch_log_groups.app.log_group_names)
  }
}
