package lambda

// direct are the names that functions reach without the proxy: their own environment, and what
// leads to this Tule.
const direct = "localhost,127.0.0.1,::1,sandbox,.localdomain,.localhost,.amazonaws.com,.amazonaws.com.cn,.api.aws,.on.aws,localhost.localstack.cloud,.localhost.localstack.cloud"

// proxied are the variables by which programs find the proxy, in both ways in which they are spelt.
func (s *Service) proxied() map[string]string {
	if s.Proxy == "" {
		return nil
	}
	return map[string]string{
		"HTTP_PROXY": s.Proxy, "http_proxy": s.Proxy, "HTTPS_PROXY": s.Proxy, "https_proxy": s.Proxy,
		"NO_PROXY": direct, "no_proxy": direct,
	}
}
