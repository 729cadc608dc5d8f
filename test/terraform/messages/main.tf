# A topic that two queues hear, one of them by a filter, with queues for what nobody
# could handle; and a stream.

resource "aws_sqs_queue" "dead" {
  name                      = "dead"
  message_retention_seconds = var.later ? 1209600 : 345600
}

resource "aws_sqs_queue" "work" {
  name                       = "work"
  visibility_timeout_seconds = var.later ? 60 : 45
  delay_seconds              = 5
  receive_wait_time_seconds  = 10
  max_message_size           = 2048
  sqs_managed_sse_enabled    = true
  tags                       = { team = var.later ? "blue" : "red" }
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.later ? 5 : 3
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.work.arn]
  })
}

resource "aws_sqs_queue" "orders" {
  name                        = "orders.fifo"
  fifo_queue                  = true
  content_based_deduplication = var.later
  deduplication_scope         = "messageGroup"
  fifo_throughput_limit       = "perMessageGroupId"
}

resource "aws_sqs_queue_policy" "work" {
  queue_url = aws_sqs_queue.work.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Topic"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.work.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.news.arn } }
    }]
  })
}

resource "aws_sns_topic" "news" {
  name         = "news"
  display_name = var.later ? "All news" : "News"
  tags         = { team = "red" }
  delivery_policy = jsonencode({
    http = {
      defaultHealthyRetryPolicy = {
        minDelayTarget     = 20
        maxDelayTarget     = 20
        numRetries         = 3
        numMaxDelayRetries = 0
        numNoDelayRetries  = 0
        numMinDelayRetries = 0
        backoffFunction    = "linear"
      }
      disableSubscriptionOverrides = false
    }
  })
}

resource "aws_sns_topic" "orders" {
  name                        = "orders.fifo"
  fifo_topic                  = true
  content_based_deduplication = var.later
}

resource "aws_sns_topic_policy" "news" {
  arn = aws_sns_topic.news.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Everybody"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = var.later ? ["sns:Publish", "sns:Subscribe"] : ["sns:Publish"]
      Resource  = aws_sns_topic.news.arn
    }]
  })
}

resource "aws_sns_topic_subscription" "work" {
  topic_arn            = aws_sns_topic.news.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work.arn
  raw_message_delivery = var.later
  filter_policy        = jsonencode({ kind = var.later ? ["a", "b"] : ["a"] })
  redrive_policy       = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn })
}

resource "aws_sns_topic_subscription" "orders" {
  topic_arn = aws_sns_topic.orders.arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.orders.arn
}

resource "aws_sns_platform_application" "push" {
  name                = "push"
  platform            = "GCM"
  platform_credential = "a-server-key"
}

resource "aws_kinesis_stream" "clicks" {
  name                = "clicks"
  shard_count         = var.later ? 2 : 1
  retention_period    = var.later ? 24 : 48
  shard_level_metrics = var.later ? ["IncomingBytes"] : ["IncomingBytes", "OutgoingBytes"]
  tags                = { team = "red" }
}

resource "aws_kinesis_stream" "free" {
  name = "free"
  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_kinesis_stream_consumer" "reader" {
  name       = "reader"
  stream_arn = aws_kinesis_stream.clicks.arn
}

resource "aws_kinesis_resource_policy" "clicks" {
  resource_arn = aws_kinesis_stream.clicks.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Put"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${var.account}:root" }
      Action    = var.later ? ["kinesis:PutRecord", "kinesis:PutRecords"] : ["kinesis:PutRecord"]
      Resource  = aws_kinesis_stream.clicks.arn
    }]
  })
}

data "aws_sqs_queue" "work" {
  name = aws_sqs_queue.work.name
}

data "aws_sns_topic" "news" {
  name = aws_sns_topic.news.name
}

data "aws_kinesis_stream" "clicks" {
  name = aws_kinesis_stream.clicks.name
}

output "read" {
  value = {
    queue  = data.aws_sqs_queue.work.arn
    topic  = data.aws_sns_topic.news.arn
    shards = length(data.aws_kinesis_stream.clicks.open_shards)
  }
}
