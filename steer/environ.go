package steer

import (
	"cmp"
	"slices"
	"strings"
)

// TrustFiles are where a client finds the authority's files; "" is none.
type TrustFiles struct {
	Root       string // PEM, Tule's root alone
	Bundle     string // PEM, the host's roots and Tule's
	TrustStore string // PKCS#12, the same for Java
}

// Files are all of t's files, made if need be.
func (t *Trust) Files() (TrustFiles, error) {
	root, err := t.RootFile()
	if err != nil {
		return TrustFiles{}, err
	}
	bundle, err := t.BundleFile()
	if err != nil {
		return TrustFiles{}, err
	}
	store, err := t.TrustStoreFile()
	return TrustFiles{root, bundle, store}, err
}

// EnvironOptions say what Environ has to work with.
type EnvironOptions struct {
	// Base is the environment that is added to, as os.Environ's.
	Base []string
	// Files are what AWS_CA_BUNDLE and its like point to.
	Files TrustFiles
	// Endpoint becomes AWS_ENDPOINT_URL; "" leaves it as it is, as where names are steered.
	Endpoint string
	// Region where Base names none; "" is us-east-1.
	Region string
	// Direct are domains that are reached without a proxy where Base has one; nil is DefaultZones.
	Direct []string
}

// Environ is what is to be set, "NAME=value", sorted by name, so that the tools
// started with Base and these meet Tule and trust it:
//
//   - AWS_CA_BUNDLE, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, SSL_CERT_FILE,
//     NODE_EXTRA_CA_CERTS, and the trust store in JAVA_TOOL_OPTIONS behind what
//     is there;
//   - test keys and a region, where Base has none of its own and names no profile;
//   - NO_PROXY, extended, where Base names a proxy;
//   - AWS_ENDPOINT_URL where asked for.
func Environ(o EnvironOptions) []string {
	base := environMap(o.Base)
	set := map[string]string{}
	o.trust(base, set)
	o.identity(base, set)
	o.proxy(base, set)
	if o.Endpoint != "" {
		set["AWS_ENDPOINT_URL"] = o.Endpoint
	}
	out := make([]string, 0, len(set))
	for name, value := range set {
		out = append(out, name+"="+value)
	}
	slices.Sort(out)
	return out
}

func (o *EnvironOptions) trust(base, set map[string]string) {
	if o.Files.Bundle != "" {
		for _, name := range []string{"AWS_CA_BUNDLE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"} {
			set[name] = o.Files.Bundle
		}
	}
	if o.Files.Root != "" {
		set["NODE_EXTRA_CA_CERTS"] = o.Files.Root
	}
	if o.Files.TrustStore != "" {
		set["JAVA_TOOL_OPTIONS"] = strings.TrimSpace(base["JAVA_TOOL_OPTIONS"] + " " + JavaOptions(o.Files.TrustStore))
	}
}

// JavaOptions are the Java virtual machine's options for the trust store at path, as
// the variable JAVA_TOOL_OPTIONS takes them.
func JavaOptions(path string) string {
	// The machine splits the variable at spaces, except between quotes.
	if strings.ContainsAny(path, " \t") {
		path = `"` + path + `"`
	}
	return "-D" + strings.Join(JavaProperties(path), " -D")
}

// JavaProperties are the system properties for the trust store at path, "name=value".
func JavaProperties(path string) []string {
	return []string{"javax.net.ssl.trustStore=" + path, "javax.net.ssl.trustStorePassword=" + TrustStorePassword,
		"javax.net.ssl.trustStoreType=PKCS12"}
}

// identity fills in who is calling, unless the person chose already.
func (o *EnvironOptions) identity(base, set map[string]string) {
	if base["AWS_PROFILE"] != "" || base["AWS_DEFAULT_PROFILE"] != "" {
		return
	}
	if base["AWS_ACCESS_KEY_ID"] == "" && base["AWS_SECRET_ACCESS_KEY"] == "" {
		set["AWS_ACCESS_KEY_ID"], set["AWS_SECRET_ACCESS_KEY"] = "test", "test"
	}
	region := cmp.Or(base["AWS_REGION"], base["AWS_DEFAULT_REGION"], o.Region, "us-east-1")
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if base[name] == "" {
			set[name] = region
		}
	}
}

// proxy keeps steered names from going to a proxy, which would look them up
// outside. Clients read either case of the name.
func (o *EnvironOptions) proxy(base, set map[string]string) {
	var found bool
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		found = found || base[name] != "" || base[strings.ToLower(name)] != ""
	}
	if !found {
		return
	}
	direct := o.Direct
	if direct == nil {
		direct = DefaultZones()
	}
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		var list []string
		for part := range strings.SplitSeq(base[name], ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		for _, zone := range direct {
			for _, part := range []string{zone, "." + zone} {
				if !slices.Contains(list, part) {
					list = append(list, part)
				}
			}
		}
		set[name] = strings.Join(append(list, "127.0.0.1"), ",")
	}
}

// environMap reads "NAME=value" strings; of two with one name the last counts.
func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			m[name] = value
		}
	}
	return m
}

// mergeEnviron is base with the variables of set in place of its own.
func mergeEnviron(base, set []string) []string {
	names := environMap(set)
	out := slices.DeleteFunc(slices.Clone(base), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		_, ours := names[name]
		return ours
	})
	return append(out, set...)
}
