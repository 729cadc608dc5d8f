package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/tule-cloud/tule/wire/sigv4"
)

// client asks a running Tule in AWS's words, with the caller's own credentials.
type client struct {
	address, region string
	keys            sigv4.Credentials
	http            http.Client
}

// newClient takes credentials and region from the variables that AWS's tools read.
func newClient(address, region string) *client {
	return &client{
		address: address,
		region:  cmp.Or(region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		keys: sigv4.Credentials{AccessKeyID: cmp.Or(os.Getenv("AWS_ACCESS_KEY_ID"), "test"),
			Secret: cmp.Or(os.Getenv("AWS_SECRET_ACCESS_KEY"), "test"), Token: os.Getenv("AWS_SESSION_TOKEN")},
	}
}

// agent is who Tule's own commands say that they are. Commands that show the audit log
// leave out what they themselves put there.
const agent = "tule"

// json calls an operation of a service that speaks JSON 1.1.
func (c *client) json(ctx context.Context, service, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.address+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", target)
	return c.do(r, service, body, out)
}

// get calls a REST operation.
func (c *client) get(ctx context.Context, service, path string, out any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	return c.do(r, service, nil, out)
}

// apiError is an error that Tule answered with.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (c *client) do(r *http.Request, service string, body []byte, out any) error {
	res, answer, err := c.send(r, service, body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var e struct {
			Type    string `json:"__type"`
			Message string
		}
		_ = json.Unmarshal(answer, &e) // what is not JSON says nothing more
		code := cmp.Or(res.Header.Get("X-Amzn-Errortype"), e.Type, res.Status)
		return &apiError{code[strings.LastIndexByte(code, '#')+1:], e.Message}
	}
	if len(answer) == 0 {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// query calls an operation of a service that speaks the query protocol.
func (c *client) query(ctx context.Context, service string, in url.Values, out any) error {
	body := []byte(in.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.address+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, answer, err := c.send(r, service, body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var e struct {
			Error struct{ Code, Message string }
		}
		_ = xml.Unmarshal(answer, &e) // what is not XML says nothing more
		return &apiError{cmp.Or(e.Error.Code, res.Status), e.Error.Message}
	}
	return xml.Unmarshal(answer, out)
}

// send signs a request and reads the whole answer.
func (c *client) send(r *http.Request, service string, body []byte) (*http.Response, []byte, error) {
	sum := sha256.Sum256(body)
	r.Header.Set("User-Agent", agent)
	sigv4.Sign(r, c.keys, c.region, service, hex.EncodeToString(sum[:]), systemClock{}.Now())
	res, err := c.http.Do(r)
	if err != nil {
		return nil, nil, fmt.Errorf("no Tule answers at %s: %w", c.address, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	return res, answer, err
}
