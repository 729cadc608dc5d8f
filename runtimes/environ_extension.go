package runtimes

import (
	"slices"
	"strings"
)

// ExtensionList is the variables of the function's external extensions: List without
// those that are the runtime's alone.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
func (e Environ) ExtensionList() []string {
	return slices.DeleteFunc(e.List(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "_") {
			return true
		}
		switch name {
		case "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
			"AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT":
			return true
		case "NODE_PATH", "PYTHONPATH": // ours, for the runtime, unless the function's author set them
			_, theirs := e.User[name]
			return !theirs
		}
		return false
	})
}
