// Command function is a Lambda function on AWS's own aws-lambda-go, unmodified, with an
// internal extension if INTERNAL is set.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do string `json:"do"`
}

type answer struct {
	Event event  `json:"event"`
	ARN   string `json:"arn"`
	Left  bool   `json:"left"`
}

func main() {
	if os.Getenv("INTERNAL") != "" {
		internal()
	}
	if os.Getenv("STREAM") != "" {
		lambda.Start(stream)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (*answer, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	fmt.Println("saw", e.Do, lc.AwsRequestID)
	switch e.Do {
	case "throw":
		return nil, errors.New("no such thing")
	case "panic":
		panic("no way")
	case "exit":
		os.Exit(3)
	case "sleep":
		time.Sleep(time.Minute)
	}
	deadline, ok := ctx.Deadline()
	return &answer{e, lc.InvokedFunctionArn, ok && time.Until(deadline) > 0}, nil
}

// broken is a reader that ends in an error.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broke off") }

func stream(_ context.Context, e event) (io.Reader, error) {
	if e.Do == "break" {
		return io.MultiReader(strings.NewReader("first "), broken{}), nil
	}
	return io.MultiReader(strings.NewReader("first "), strings.NewReader("last")), nil
}

// internal registers from this process and says what it hears.
func internal() {
	base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/"
	req, err := http.NewRequest("POST", base+"register", bytes.NewReader([]byte(`{"events":["INVOKE"]}`)))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Lambda-Extension-Name", "inner")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		panic(fmt.Sprint(err, resp))
	}
	resp.Body.Close()
	id := resp.Header.Get("Lambda-Extension-Identifier")
	go func() {
		for {
			req, _ := http.NewRequest("GET", base+"event/next", nil)
			req.Header.Set("Lambda-Extension-Identifier", id)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return
			}
			var e struct{ EventType, RequestID string }
			_ = json.NewDecoder(resp.Body).Decode(&e)
			resp.Body.Close()
			fmt.Println("inner hears", e.EventType, e.RequestID)
		}
	}()
}
