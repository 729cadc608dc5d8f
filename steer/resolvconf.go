package steer

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxResolvConf bounds the files read here.
const maxResolvConf = 64 << 10

// HostServers are the host's own name servers ("host:port"), for a Resolver's Upstream.
func HostServers() ([]string, error) {
	conf, err := readSmall("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	return upstreams(conf), nil
}

// upstreams are the name servers of a resolv.conf; the local one where none is
// named, as the C library has it.
func upstreams(conf []byte) []string {
	c, err := dns.ClientConfigFromReader(bytes.NewReader(conf))
	if err != nil || len(c.Servers) == 0 {
		return []string{"127.0.0.1:53"}
	}
	var out []string
	for _, s := range c.Servers {
		if _, err := netip.ParseAddr(s); err == nil {
			out = append(out, net.JoinHostPort(s, c.Port))
		}
	}
	return out
}

// steerResolvConf is the host's resolv.conf with addr for its name servers. A
// larger ndots goes: it would have s3.amazonaws.com asked for below every search
// domain first, and some company's wildcard answer.
func steerResolvConf(conf []byte, addr netip.Addr) []byte {
	out := bytes.NewBufferString("nameserver " + addr.String() + "\n")
	for scan := bufio.NewScanner(bytes.NewReader(conf)); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "options":
			fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "ndots:") })
			if len(fields) < 2 {
				continue
			}
		case "search", "domain", "sortlist":
		default:
			continue
		}
		out.WriteString(strings.Join(fields, " ") + "\n")
	}
	return out.Bytes()
}

// steerNSSwitch is the host's nsswitch.conf with hosts looked up by DNS where
// another service (systemd-resolved's, by a socket of its own) would have been asked.
func steerNSSwitch(conf []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(conf)) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != "hosts" {
			out.WriteString(line)
			continue
		}
		out.WriteString("hosts: " + strings.Join(steerHosts(strings.Fields(rest)), " ") + "\n")
	}
	return out.Bytes()
}

// steerHosts is the list of services without "resolve": what it would have
// answered, files and then DNS do.
func steerHosts(services []string) []string {
	var out []string
	add := func(names ...string) (added bool) {
		for _, name := range names {
			if !slices.Contains(out, name) {
				out, added = append(out, name), true
			}
		}
		return added
	}
	kept := true // the service that an action in brackets is about
	for _, s := range services {
		switch {
		case strings.HasPrefix(s, "#"):
			add("files", "dns")
			return out
		case strings.HasPrefix(s, "["):
			if kept {
				out = append(out, s)
			}
		case s == "resolve":
			add("files", "dns")
			kept = false
		default:
			kept = add(s)
		}
	}
	add("files", "dns")
	return out
}

// readSmall reads a configuration file of the host's.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxResolvConf+1))
	if err == nil && len(body) > maxResolvConf {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxResolvConf)
	}
	return body, err
}
