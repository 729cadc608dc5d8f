package steer

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestFiles runs the scripts in testdata/environ:
//
//	environ [files] [endpoint=URL] [region=R] [direct=(D…)]   Environ over the lines given
//	resolv.conf address=A    steerResolvConf of the lines given
//	upstreams                the name servers in them
//	nsswitch.conf            steerNSSwitch of them
func TestFiles(t *testing.T) {
	datadriven.Walk(t, "testdata/environ", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "environ":
				return scriptEnviron(t, d)
			case "resolv.conf":
				var addr string
				d.ScanArgs(t, "address", &addr)
				return string(steerResolvConf([]byte(d.Input), netip.MustParseAddr(addr)))
			case "upstreams":
				return strings.Join(upstreams([]byte(d.Input)), "\n") + "\n"
			case "nsswitch.conf":
				return string(steerNSSwitch([]byte(d.Input + "\n")))
			}
			d.Fatalf(t, "no command %s", d.Cmd)
			return ""
		})
	})
}

func scriptEnviron(t *testing.T, d *datadriven.TestData) string {
	o := EnvironOptions{Base: strings.Split(d.Input, "\n")}
	if d.HasArg("files") {
		o.Files = TrustFiles{"/t/ca.pem", "/t/bundle.pem", "/t/truststore.p12"}
	}
	d.MaybeScanArgs(t, "endpoint", &o.Endpoint)
	d.MaybeScanArgs(t, "region", &o.Region)
	for _, arg := range d.CmdArgs {
		if arg.Key == "direct" {
			o.Direct = arg.Vals
		}
	}
	return cmp.Or(strings.Join(Environ(o), "\n"), "nothing") + "\n"
}

func TestJavaOptions(t *testing.T) {
	if got := JavaOptions("/a b/c.p12"); !strings.HasPrefix(got, `-Djavax.net.ssl.trustStore="/a b/c.p12" `) {
		t.Error(got)
	}
}

func TestMergeEnviron(t *testing.T) {
	got := mergeEnviron([]string{"A=1", "B=2", "A=3", "odd", "C="}, []string{"A=4", "D=5"})
	if want := []string{"B=2", "odd", "C=", "A=4", "D=5"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzResolvConf: a steered file names one server, ours, whatever the host's says.
func FuzzResolvConf(f *testing.F) {
	f.Add("nameserver 10.0.0.1\nsearch a b\noptions ndots:5 rotate\n")
	f.Add("options\nnameserver\n nameserver 1.1.1.1\n;x\n#y")
	addr := netip.MustParseAddr("127.45.66.1")
	f.Fuzz(func(t *testing.T, conf string) {
		if got := upstreams(steerResolvConf([]byte(conf), addr)); len(got) != 1 || got[0] != "127.45.66.1:53" {
			t.Errorf("%q leads to %q", conf, got)
		}
		for _, u := range upstreams([]byte(conf)) {
			if _, err := portOf(u); err != nil {
				t.Errorf("%q has the server %q: %v", conf, u, err)
			}
		}
	})
}
