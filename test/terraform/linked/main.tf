# Roles that AWS's services bring along.

resource "aws_iam_service_linked_role" "scaling" {
  aws_service_name = "autoscaling.amazonaws.com"
  custom_suffix    = "songs"
  description      = var.later ? "Scales songs, up & down." : "Scales songs."
  tags             = var.later ? { of = "songs" } : {}
}

resource "aws_iam_service_linked_role" "beanstalk" {
  aws_service_name = "elasticbeanstalk.amazonaws.com"
}

output "read" {
  value = {
    scaling   = aws_iam_service_linked_role.scaling.name
    path      = aws_iam_service_linked_role.scaling.path
    beanstalk = aws_iam_service_linked_role.beanstalk.arn
  }
}
