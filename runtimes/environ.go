package runtimes

import (
	"sort"
	"strconv"
)

// TaskRoot is where a function's code is in its sandbox.
const TaskRoot = "/var/task"

// RuntimeRoot is where a bootstrap is in its sandbox.
const RuntimeRoot = "/var/runtime"

// Environ is what the environment variables of a function are made of.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
type Environ struct {
	Runtime      string
	Handler      string
	FunctionName string
	Version      string
	Region       string
	MemoryMB     int
	LogGroup     string
	LogStream    string
	AccessKeyID  string
	SecretKey    string
	SessionToken string
	TaskRoot     string // "" is /var/task
	RuntimeRoot  string // "" is /var/runtime
	ModulePath   string // Command.ModulePath; "" is below the runtime's folder
	RuntimeAPI   string // host:port, for the provided runtimes
	// Initialization is why the environment was started; "" is "on-demand".
	Initialization string
	// User holds the function's configured variables; they win over all but the
	// reserved ones.
	User map[string]string
	// Further variables of the platform: AWS_ENDPOINT_URL, trust stores …
	Further map[string]string
}

// List is the variables as exec takes them, sorted.
func (e Environ) List() []string {
	vars := map[string]string{
		"LANG": "en_US.UTF-8",
		"TZ":   ":UTC",
		"PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
	}
	task, runtime := or(e.TaskRoot, TaskRoot), or(e.RuntimeRoot, RuntimeRoot)
	vars["LD_LIBRARY_PATH"] = "/lib64:/usr/lib64:" + runtime + ":" + runtime + "/lib:" + task + ":" + task + "/lib:/opt/lib"
	g := generationOf(e.Runtime)
	switch g.family {
	case node:
		vars["NODE_PATH"] = "/opt/nodejs/node" + strconv.Itoa(g.major) + "/node_modules:/opt/nodejs/node_modules:" +
			or(e.ModulePath, runtime+"/node_modules") + ":" + runtime + ":" + task
	case python:
		vars["PYTHONPATH"] = runtime
		if e.ModulePath != "" && !within(runtime, e.ModulePath) {
			vars["PYTHONPATH"] += ":" + e.ModulePath // without mounts they are elsewhere
		}
	case ruby:
		version := strconv.Itoa(g.major) + "." + strconv.Itoa(g.minor) + ".0"
		vars["GEM_PATH"] = task + "/vendor/bundle/ruby/" + version + ":/opt/ruby/gems/" + version
		vars["RUBYLIB"] = task + ":" + runtime + "/lib:/opt/ruby/lib"
	}
	if !g.legacyExit && g.family != provided {
		vars["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + e.Runtime
	}
	for k, v := range e.Further {
		vars[k] = v
	}
	for k, v := range e.User {
		vars[k] = v
	}
	for k, v := range e.reserved(task, runtime) {
		if v != "" {
			vars[k] = v
		}
	}
	list := make([]string, 0, len(vars))
	for k, v := range vars {
		list = append(list, k+"="+v)
	}
	sort.Strings(list)
	return list
}

// reserved is the variables that a function's configuration cannot set.
func (e Environ) reserved(task, runtime string) map[string]string {
	return map[string]string{
		"_HANDLER":                        e.Handler,
		"AWS_REGION":                      e.Region,
		"AWS_DEFAULT_REGION":              e.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        e.FunctionName,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(e.MemoryMB),
		"AWS_LAMBDA_FUNCTION_VERSION":     e.Version,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  or(e.Initialization, "on-demand"),
		"AWS_LAMBDA_LOG_GROUP_NAME":       e.LogGroup,
		"AWS_LAMBDA_LOG_STREAM_NAME":      e.LogStream,
		"AWS_ACCESS_KEY_ID":               e.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           e.SecretKey,
		"AWS_SESSION_TOKEN":               e.SessionToken,
		"AWS_LAMBDA_RUNTIME_API":          e.RuntimeAPI,
		"LAMBDA_TASK_ROOT":                task,
		"LAMBDA_RUNTIME_DIR":              runtime,
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
