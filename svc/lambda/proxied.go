package lambda

// direct are the names that functions reach without the proxy: their own environment, and what
// leads to this Tule.
const direct = "localhost,127.0.0.1,::1,sandbox,.localdomain,.localhost,.amazonaws.com,.amazonaws.com.cn,.api.aws,.on.aws,localhost.localstack.cloud,.localhost.localstack.cloud"

// proxied are the variables by which programs find the proxy, in both ways in which they are spelt.
func (e *environment) proxied() map[string]string {
	if e.egress != EgressProxy {
		return nil
	}
	url := e.s.Proxy
	return map[string]string{
		"HTTP_PROXY": url, "http_proxy": url, "HTTPS_PROXY": url, "https_proxy": url,
		"NO_PROXY": direct, "no_proxy": direct,
	}
}
