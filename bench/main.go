// Command bench measures Tule against what the machine can do at all: each figure
// stands beside its floor, measured in the same run, with the ratio. Absolute times
// differ from machine to machine; the ratios are what to look at.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"
)

// A row is one measurement beside its floor.
type row struct {
	what, tule, floor, ratio, aim string
	met                           bool
}

// A bench is one of the measurements.
type bench struct {
	name string
	run  func(context.Context, *rig) ([]row, error)
}

var benches = []bench{
	{"start", benchStart},
	{"sandbox", benchSandbox},
	{"cold", benchCold},
	{"invoke", benchInvoke},
	{"process", benchProcess},
	{"door", benchDoor},
	{"peers", benchPeers},
	{"idle", benchIdle},
	{"burst", benchBurst},
	{"mappings", benchMappings},
	{"dynamodb", benchDynamoDB},
	{"queue", benchQueue},
	{"objects", benchObjects},
	{"minio", benchMinIO},
	{"lists", benchLists},
	{"topic", benchTopic},
	{"events", benchEvents},
	{"kinesis", benchStreams},
	{"logs", benchLogs},
	{"gateway", benchGateway},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor-server" {
		floorServer()
		return
	}
	only := flag.String("only", "", "names of the measurements to run, by comma; all if empty")
	tule := flag.String("tule", "bin/tule", "the program to measure")
	keys := flag.Int("keys", 100_000, "keys of the bucket whose list is measured; a million take a minute or two to put there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *tule, *only, *keys); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, only string, keys int) error {
	r, err := newRig(program)
	if err != nil {
		return err
	}
	defer r.close()
	r.keys = keys
	out := tabwriter.NewWriter(os.Stdout, 2, 8, 2, ' ', 0)
	fmt.Fprintln(out, "what\tTule\tfloor\tratio\taim\t")
	for _, b := range benches {
		if only != "" && !strings.Contains(","+only+",", ","+b.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s …\n", b.name)
		rows, err := b.run(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		for _, x := range rows {
			mark := "missed"
			if x.met {
				mark = "met"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\n", x.what, x.tule, x.floor, x.ratio, x.aim, mark)
		}
	}
	return out.Flush()
}

// floorServer is the Go HTTP server that answers at once: what a request costs
// before anything is done for it. Where a folder is named, it hands out its files.
func floorServer() {
	if len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[2], http.FileServer(http.Dir(os.Args[3]))))
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"hello":"world"}`)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Args[2], nil))
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func perSecond(n float64) string { return fmt.Sprintf("%.0f/s", n) }
