package test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"github.com/tule-cloud/tule/test/tule"
)

// answered holds, as "service operation", what was called with success.
var answered sync.Map

// called notes the calls of a client that were answered.
func called(s *middleware.Stack) error {
	return s.Initialize.Add(middleware.InitializeMiddlewareFunc("called", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		out, meta, err := next.HandleInitialize(ctx, in)
		if err == nil {
			answered.Store(awsmiddleware.GetServiceID(ctx)+" "+awsmiddleware.GetOperationName(ctx), true)
		}
		return out, meta, err
	}), middleware.After)
}

// elsewhere are operations that other tests of clients call, which have what they need.
var elsewhere = map[string]string{
	"SES SendBounce": "objects: of mail that came by SMTP",
}

// everyOperation checks, when all tests have run, that each operation which the
// README says is answered was answered to a client here.
func everyOperation() error {
	if f := flag.Lookup("test.run"); f != nil && f.Value.String() != "" {
		return nil // not all tests ran
	}
	readme, err := os.ReadFile(filepath.Join(tule.Root(), "README.md"))
	if err != nil {
		return err
	}
	var missing []string
	rows := regexp.MustCompile(`(?m)^\| ([\w ]+) \| \d+ of \d+ \| (.*) \|$`).FindAllStringSubmatch(string(readme), -1)
	for _, row := range rows {
		for op := range strings.SplitSeq(row[2], ", ") {
			if _, ok := answered.Load(row[1] + " " + op); !ok && op != "" && elsewhere[row[1]+" "+op] == "" {
				missing = append(missing, row[1]+" "+op)
			}
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("the README's coverage table has no rows")
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("no client called these operations with success:\n  %s", strings.Join(missing, "\n  "))
	}
	return nil
}
