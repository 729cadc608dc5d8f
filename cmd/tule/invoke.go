package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// invokeOptions say which function to run, and with what.
type invokeOptions struct {
	steering
	payload   string
	qualifier string
	log       bool
	async     bool
}

func invokeCommand() *cobra.Command {
	var o invokeOptions
	c := &cobra.Command{
		Use:   "invoke FUNCTION",
		Short: "Run a function and print its answer",
		Long: "Invoke runs a function, by its name or ARN, and prints what it answers. The exit\n" +
			"status is 1 when the function fails; what it answered then goes to stderr.",
		Example: "  tule invoke movies-db --payload '{\"year\": 2016}'\n" +
			"  tule invoke movies-db --payload @event.json --qualifier live --log\n" +
			"  jq -n '{year: 2016}' | tule invoke movies-db --payload -",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return o.run(c.Context(), args[0], c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	o.flags(c)
	f := c.Flags()
	f.StringVar(&o.payload, "payload", "{}", "the event: JSON, @file, or - for standard input")
	f.StringVar(&o.qualifier, "qualifier", "", "a version or an alias; $LATEST if not given")
	f.BoolVar(&o.log, "log", false, "show the end of what the invoke logged, on stderr")
	f.BoolVar(&o.async, "async", false, "leave the event in the function's queue, and do not wait for its answer")
	return c
}

// readPayload is the event that --payload names.
func readPayload(arg string, stdin io.Reader) ([]byte, error) {
	event := []byte(arg)
	var err error
	if arg == "-" {
		event, err = io.ReadAll(stdin)
	} else if file, ok := strings.CutPrefix(arg, "@"); ok {
		event, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("--payload: %w", err)
	}
	if len(bytes.TrimSpace(event)) > 0 && !json.Valid(event) {
		return nil, fmt.Errorf("--payload: the event is no JSON. A text is JSON in quotes: --payload '\"text\"'; a file's is --payload @file")
	}
	return event, nil
}

func (o *invokeOptions) run(ctx context.Context, function string, stdin io.Reader, stdout, stderr io.Writer) error {
	if o.log && o.async {
		return errors.New("--log and --async: what an event's invoke logs is not known yet when it is queued. See it by `tule logs --function " + function + " --watch`")
	}
	event, err := readPayload(o.payload, stdin)
	if err != nil {
		return err
	}
	c := newClient(o.address(), o.region)
	path := "http://" + c.address + "/2015-03-31/functions/" + url.PathEscape(function) + "/invocations"
	if o.qualifier != "" {
		path += "?Qualifier=" + url.QueryEscape(o.qualifier)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(event))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if o.async {
		r.Header.Set("X-Amz-Invocation-Type", "Event")
	}
	if o.log {
		r.Header.Set("X-Amz-Log-Type", "Tail")
	}
	res, answer, err := c.send(r, "lambda", event)
	if err != nil {
		return fmt.Errorf("%w\nStart one: tule start --data %s", err, o.data)
	}
	if res.StatusCode >= 300 {
		return o.refused(ctx, c, function, res, answer)
	}
	if tail, err := base64.StdEncoding.DecodeString(res.Header.Get("X-Amz-Log-Result")); err == nil && len(tail) > 0 {
		fmt.Fprint(stderr, paint(stderr, grey, strings.TrimSuffix(string(tail), "\n"))+"\n")
	}
	return o.show(function, res, answer, stdout, stderr)
}

// show prints how an invoke went.
func (o *invokeOptions) show(function string, res *http.Response, answer []byte, stdout, stderr io.Writer) error {
	if o.async {
		fmt.Fprintln(stdout, res.Header.Get("X-Amzn-Requestid"))
		return nil
	}
	if kind := res.Header.Get("X-Amz-Function-Error"); kind != "" {
		fmt.Fprintln(stderr, paint(stderr, red, kind+": ")+string(readable(stderr, answer)))
		if !o.log {
			fmt.Fprintln(stderr, "What it logged: tule logs --function "+function)
		}
		return exitCode(1)
	}
	fmt.Fprintln(stdout, string(readable(stdout, answer)))
	return nil
}

// readable is JSON with indentation for a terminal, and as it is for a program.
func readable(w io.Writer, answer []byte) []byte {
	var b bytes.Buffer
	if !isTerminal(w) || json.Indent(&b, answer, "", "  ") != nil {
		return answer
	}
	return b.Bytes()
}

// refused is the error of an invoke that did not come to the function, and what to do.
func (o *invokeOptions) refused(ctx context.Context, c *client, function string, res *http.Response, answer []byte) error {
	var said struct {
		Message string
		Lower   string `json:"message"`
	}
	_ = json.Unmarshal(answer, &said) // what is not JSON says nothing more
	code, _, _ := strings.Cut(res.Header.Get("X-Amzn-Errortype"), ":")
	err := &apiError{cmp.Or(code, res.Status), cmp.Or(said.Message, said.Lower)}
	switch err.code {
	case "ResourceNotFoundException":
		if o.qualifier != "" {
			return fmt.Errorf("%w\nIts versions and aliases: aws lambda list-aliases --function-name %s", err, function)
		}
		return fmt.Errorf("%w\n%s", err, o.others(ctx, c))
	case "AccessDeniedException":
		return fmt.Errorf("%w\nWhy, and what would allow it: tule why %s", err, res.Header.Get("X-Amzn-Requestid"))
	}
	return err
}

// others are the functions that there are, for who has named one that is not.
func (o *invokeOptions) others(ctx context.Context, c *client) string {
	var list struct {
		Functions []struct{ FunctionName string }
	}
	where := "in " + c.region
	if err := c.get(ctx, "lambda", "/2015-03-31/functions?MaxItems=50", &list); err != nil || len(list.Functions) == 0 {
		return "This account has no functions " + where + "; another region is --region, another account another AWS_ACCESS_KEY_ID."
	}
	var names []string
	for _, f := range list.Functions {
		names = append(names, f.FunctionName)
	}
	slices.Sort(names)
	return "This account's functions " + where + ": " + strings.Join(names, ", ") + "."
}
