# A bucket with most of what can be set on one, its objects, and who hears of them.

locals {
  bucket = "${var.account}-photos"
}

resource "aws_s3_bucket" "photos" {
  bucket        = local.bucket
  force_destroy = true
  tags          = { team = var.later ? "blue" : "red" }
}

resource "aws_s3_bucket" "logs" {
  bucket        = "${var.account}-logs"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "photos" {
  bucket = aws_s3_bucket.photos.id
  versioning_configuration {
    status = var.later ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "photos" {
  bucket = aws_s3_bucket.photos.id
  rule {
    object_ownership = var.later ? "ObjectWriter" : "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_public_access_block" "photos" {
  bucket                  = aws_s3_bucket.photos.id
  block_public_acls       = false
  block_public_policy     = false
  ignore_public_acls      = false
  restrict_public_buckets = var.later
}

resource "aws_s3_bucket_acl" "photos" {
  depends_on = [aws_s3_bucket_ownership_controls.photos, aws_s3_bucket_public_access_block.photos]
  bucket     = aws_s3_bucket.photos.id
  acl        = var.later ? "private" : "public-read"
}

resource "aws_s3_bucket_policy" "photos" {
  depends_on = [aws_s3_bucket_public_access_block.photos]
  bucket     = aws_s3_bucket.photos.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Read"
      Effect    = "Allow"
      Principal = "*"
      Action    = var.later ? ["s3:GetObject", "s3:GetObjectVersion"] : ["s3:GetObject"]
      Resource  = "${aws_s3_bucket.photos.arn}/public/*"
    }]
  })
}

resource "aws_s3_bucket_cors_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  cors_rule {
    allowed_headers = ["*"]
    allowed_methods = var.later ? ["GET"] : ["GET", "PUT"]
    allowed_origins = ["https://example.com"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3000
  }
}

resource "aws_s3_bucket_website_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  index_document {
    suffix = var.later ? "home.html" : "index.html"
  }
  error_document {
    key = "error.html"
  }
  routing_rule {
    condition {
      key_prefix_equals = "docs/"
    }
    redirect {
      replace_key_prefix_with = "documents/"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "photos" {
  depends_on = [aws_s3_bucket_versioning.photos]
  bucket     = aws_s3_bucket.photos.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "tmp/"
    }
    expiration {
      days = var.later ? 20 : 10
    }
    noncurrent_version_expiration {
      noncurrent_days = 5
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
    bucket_key_enabled = var.later
  }
}

resource "aws_s3_bucket_logging" "photos" {
  bucket        = aws_s3_bucket.photos.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = var.later ? "photos/" : "p/"
}

resource "aws_s3_bucket_request_payment_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  payer  = var.later ? "Requester" : "BucketOwner"
}

resource "aws_s3_bucket_accelerate_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  status = var.later ? "Suspended" : "Enabled"
}

resource "aws_s3_bucket_metric" "photos" {
  bucket = aws_s3_bucket.photos.id
  name   = "all"
  filter {
    prefix = var.later ? "b/" : "a/"
  }
}

resource "aws_s3_bucket_analytics_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  name   = "all"
  filter {
    prefix = var.later ? "b/" : "a/"
  }
}

resource "aws_s3_bucket_inventory" "photos" {
  bucket                   = aws_s3_bucket.photos.id
  name                     = "weekly"
  included_object_versions = var.later ? "Current" : "All"
  schedule {
    frequency = "Weekly"
  }
  destination {
    bucket {
      format     = "CSV"
      bucket_arn = aws_s3_bucket.logs.arn
    }
  }
}

resource "aws_s3_bucket_intelligent_tiering_configuration" "photos" {
  bucket = aws_s3_bucket.photos.id
  name   = "all"
  tiering {
    access_tier = "ARCHIVE_ACCESS"
    days        = var.later ? 180 : 125
  }
}

resource "aws_s3_object" "hello" {
  depends_on   = [aws_s3_bucket_versioning.photos]
  bucket       = aws_s3_bucket.photos.id
  key          = "public/hello world+ü.txt"
  content      = var.later ? "hello again" : "hello"
  content_type = "text/plain"
  metadata     = { colour = "red" }
  tags         = { kind = "greeting" }
}

resource "aws_s3_object_copy" "copy" {
  bucket = aws_s3_bucket.photos.id
  key    = "public/copy.txt"
  source = "${aws_s3_bucket.photos.id}/${aws_s3_object.hello.key}"

  tagging_directive = "REPLACE" # or it would have those of what it copies
}

resource "aws_sqs_queue" "heard" {
  name = "heard"
}

resource "aws_sqs_queue_policy" "heard" {
  queue_url = aws_sqs_queue.heard.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.heard.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_s3_bucket.photos.arn } }
    }]
  })
}

resource "aws_s3_bucket_notification" "photos" {
  depends_on = [aws_sqs_queue_policy.heard]
  bucket     = aws_s3_bucket.photos.id
  queue {
    id            = "heard"
    queue_arn     = aws_sqs_queue.heard.arn
    events        = var.later ? ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"] : ["s3:ObjectCreated:*"]
    filter_prefix = "in/"
    filter_suffix = ".jpg"
  }
}

data "aws_s3_object" "hello" {
  bucket = aws_s3_bucket.photos.id
  key    = aws_s3_object.hello.key
}

output "read" {
  value = {
    body = data.aws_s3_object.hello.body
  }
}
