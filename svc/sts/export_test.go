package sts

import issuers "github.com/tule-cloud/tule/gateway/jwt"

// ReadSAML reads a response as one of the provider with that metadata, and is whom it
// speaks of.
func ReadSAML(metadata string, response []byte, keys ...string) (subject string, err error) {
	p, err := parseProvider(metadata)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if err := p.addKey(k); err != nil {
			return "", err
		}
	}
	a, err := p.read(response)
	if err != nil {
		return "", err
	}
	return a.Subject.NameID.Value, nil
}

// ParseWebToken reads what a token says without verifying it.
func ParseWebToken(text string) (issuer string, err error) {
	_, said, err := parseWebToken(text)
	if err != nil {
		return "", err
	}
	return said.Issuer, nil
}

// ParseKeys is how many keys of a JWKS verify tokens.
func ParseKeys(jwks []byte) (int, error) {
	keys, err := issuers.ParseKeys(jwks)
	return len(keys), err
}
