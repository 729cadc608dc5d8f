// Command function is the soak's function for runtimes that functions bring: it does what
// its event asks for.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Do string `json:"do"`
	ID string `json:"id"`
}

type answer struct {
	ID         string `json:"id"`
	Generation string `json:"generation"`
}

func main() {
	generation, err := os.ReadFile("/var/task/generation")
	if err != nil {
		panic(err)
	}
	lambda.Start(func(_ context.Context, e event) (*answer, error) {
		if err := do(e); err != nil {
			return nil, err
		}
		return &answer{e.ID, string(generation)}, nil
	})
}

// do does what ends no invoke well, or leaves something behind.
func do(e event) error {
	switch e.Do {
	case "event":
		fmt.Println("event", e.ID)
	case "throw":
		return errors.New("no such thing")
	case "exit":
		os.Exit(3)
	case "memory":
		var all [][]byte
		for {
			all = append(all, []byte(strings.Repeat("x", 16<<20)))
		}
	case "sleep":
		time.Sleep(time.Minute)
	case "child":
		return exec.Command("sleep", "600").Start()
	case "file":
		f, err := os.CreateTemp("", "soak")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		_, err = f.WriteString(strings.Repeat("x", 1<<20))
		return errors.Join(err, f.Close())
	case "log":
		for n := range 100 {
			fmt.Println("line", n, strings.Repeat("x", 100))
		}
	}
	return nil
}
