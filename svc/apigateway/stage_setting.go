package apigateway

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// settingPaths is AWS's list of what UpdateStage takes, to the letter.
const settingPaths = "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, " +
	"/{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit" +
	"/{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, " +
	"/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, /*/*/logging/dataTrace, " +
	"/*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, /*/*/caching/requireAuthorizationForCacheControl, " +
	"/*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled"

func badSetting(path string) error {
	return api.BadRequestException("Invalid method setting path: %s. Must be one of: [%s]", path, settingPaths)
}

func noSetting(key string) error {
	return api.BadRequestException("Cannot remove method setting %s because there is no method setting for this method ", key)
}

// patchSetting changes the settings of one method, or of all (*/*). The key is the
// path as it was written, escapes and all, as AWS shows it.
func (s *Service) patchSetting(ctx context.Context, r store.Reader, st *api.Stage, p patch) error {
	parts := strings.Split(strings.TrimPrefix(p.path, "/"), "/")
	if p.op == "remove" && len(parts) == 2 {
		key := parts[0] + "/" + parts[1]
		if _, ok := st.MethodSettings[key]; !ok {
			return noSetting(key)
		}
		delete(st.MethodSettings, key)
		return nil
	}
	if len(parts) < 4 {
		return badSetting(p.path)
	}
	n := len(parts) - 2 // a path may stand with its slashes unescaped
	key, what := strings.Join(parts[:n], "/"), parts[n]+"/"+parts[n+1]
	if verb := parts[n-1]; verb != "*" && !slices.Contains(verbs, verb) {
		return badSetting(p.path)
	}
	setting, ok := st.MethodSettings[key]
	if !ok {
		setting = defaultSetting()
	}
	if !setSetting(&setting, what, p.value) {
		return badSetting(p.path)
	}
	if what == "logging/loglevel" {
		if err := s.checkLogging(ctx, r, &setting); err != nil {
			return err
		}
	}
	st.MethodSettings = entry(st.MethodSettings, key, patch{}, setting)
	return nil
}

// checkLogging refuses a level that does not exist, or that nobody could write at.
func (s *Service) checkLogging(ctx context.Context, r store.Reader, m *api.MethodSetting) error {
	switch *m.LoggingLevel {
	case "OFF":
		return nil
	case "ERROR", "INFO":
	default:
		return api.BadRequestException("Invalid logging level specified. Must be one of: [OFF, ERROR, INFO]")
	}
	a, err := readAccount(ctx, r, scope(ctx))
	if err == nil && a.LogRole == "" {
		err = api.BadRequestException("CloudWatch Logs role ARN must be set in account settings to enable logging")
	}
	return err
}

func defaultSetting() api.MethodSetting {
	return api.MethodSetting{
		MetricsEnabled: ptr(false), DataTraceEnabled: ptr(false), ThrottlingBurstLimit: ptr(int32(5000)), ThrottlingRateLimit: ptr(10000.0),
		CachingEnabled: ptr(false), CacheTtlInSeconds: ptr(int32(300)), CacheDataEncrypted: ptr(false), RequireAuthorizationForCacheControl: ptr(true),
		UnauthorizedCacheControlHeaderStrategy: ptr(api.UnauthorizedCacheControlHeaderStrategySucceedWithResponseHeader),
	}
}

// maxCacheTime is how long a cached answer may serve, in seconds.
const maxCacheTime = 3600

// setSetting sets what, such as "logging/loglevel"; false if it cannot be.
func setSetting(m *api.MethodSetting, what, value string) bool {
	flag := ptr(strings.EqualFold(value, "true"))
	switch what {
	case "metrics/enabled":
		m.MetricsEnabled = flag
	case "logging/dataTrace":
		m.DataTraceEnabled = flag
	case "logging/loglevel":
		m.LoggingLevel = ptr(strings.ToUpper(value))
	case "throttling/burstLimit", "caching/ttlInSeconds":
		n, err := strconv.Atoi(value)
		if err != nil || n < -1 || n > math.MaxInt32 {
			return false
		}
		if what == "caching/ttlInSeconds" {
			if n < 0 || n > maxCacheTime {
				return false
			}
			m.CacheTtlInSeconds = ptr(int32(n))
		} else {
			m.ThrottlingBurstLimit = ptr(int32(n))
		}
	case "throttling/rateLimit":
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return false
		}
		m.ThrottlingRateLimit = &f
	case "caching/enabled":
		m.CachingEnabled = flag
	case "caching/dataEncrypted":
		m.CacheDataEncrypted = flag
	case "caching/requireAuthorizationForCacheControl":
		m.RequireAuthorizationForCacheControl = flag
	case "caching/unauthorizedCacheControlHeaderStrategy":
		m.UnauthorizedCacheControlHeaderStrategy = &value
	default:
		return false
	}
	return true
}

// settings are a stage's, made ready to be asked for by method.
type settings struct {
	own map[methodKey]*api.MethodSetting
	all *api.MethodSetting // of methods without their own; nil if there are none
}

// methodKey names a method by its resource's path.
type methodKey struct{ path, verb string }

func newSettings(st *api.Stage) settings {
	out := settings{own: map[methodKey]*api.MethodSetting{}}
	for key, setting := range st.MethodSettings {
		at := strings.LastIndexByte(key, '/')
		switch {
		case key == "*/*":
			out.all = &setting
		case at >= 0:
			out.own[methodKey{"/" + strings.TrimPrefix(unescape.Replace(key[:at]), "/"), key[at+1:]}] = &setting
		}
	}
	return out
}

// of are the settings in force for a method, and whether they are its own; nil if there
// are none.
func (s settings) of(m *method) (setting *api.MethodSetting, own bool) {
	if setting := s.own[methodKey{m.resourcePath, m.verb}]; setting != nil {
		return setting, true
	}
	return s.all, false
}

// level is the execution log's.
func level(m *api.MethodSetting) (lines, bodies bool) {
	if m == nil {
		return false, false
	}
	lines = aws.Value(m.LoggingLevel) == "INFO" || aws.Value(m.LoggingLevel) == "ERROR"
	return lines, lines && aws.Value(m.DataTraceEnabled)
}

// errorsOnly says that the log is for what goes wrong.
func errorsOnly(m *api.MethodSetting) bool {
	return m != nil && aws.Value(m.LoggingLevel) == "ERROR"
}
