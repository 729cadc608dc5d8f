package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A talker calls a service over a connection of its own. It signs once: with a key that
// was not issued, only the signature's age is looked at.
type talker struct {
	conn net.Conn
	in   *bufio.Reader
	head string
	buf  []byte
}

// caller makes one for bodies of a kind; last is the header that ends with the operation.
func (r *rig) caller(address, service, kind, last string) (*talker, error) {
	q := r.request("POST", "/", service, "X", nil)
	head := "POST / HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: " + kind + "\r\nAuthorization: " +
		q.Header.Get("Authorization") + "\r\nX-Amz-Date: " + q.Header.Get("X-Amz-Date") + "\r\n" + last
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &talker{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), head: head}, nil
}

// talker makes one that speaks SQS's JSON.
func (r *rig) talker(address string) (*talker, error) {
	return r.caller(address, "sqs", "application/x-amz-json-1.0", "X-Amz-Target: AmazonSQS.")
}

func (r *rig) talkers(n int, address string) (all []*talker, err error) {
	for range n {
		t, err := r.talker(address)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// call calls an operation, and gives the answer's body until the next call.
func (t *talker) call(op, body string) ([]byte, error) {
	t.buf = append(append(append(t.buf[:0], t.head...), op...), "\r\nContent-Length: "...)
	t.buf = append(append(strconv.AppendInt(t.buf, int64(len(body)), 10), "\r\n\r\n"...), body...)
	if _, err := t.conn.Write(t.buf); err != nil {
		return nil, err
	}
	res, err := http.ReadResponse(t.in, nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d: %s", op, res.StatusCode, b)
	}
	return b, err
}

// turn sends a message, receives one and deletes it.
func (t *talker) turn(url, body string) error {
	if _, err := t.call("SendMessage", `{"QueueUrl":"`+url+`","MessageBody":"`+body+`"}`); err != nil {
		return err
	}
	for range 100 {
		b, err := t.call("ReceiveMessage", `{"QueueUrl":"`+url+`","WaitTimeSeconds":1}`)
		if err != nil {
			return err
		}
		_, rest, found := bytes.Cut(b, []byte(`"ReceiptHandle":"`))
		if !found {
			continue // somebody else has it
		}
		receipt, _, _ := bytes.Cut(rest, []byte(`"`))
		_, err = t.call("DeleteMessage", `{"QueueUrl":"`+url+`","ReceiptHandle":"`+string(receipt)+`"}`)
		return err
	}
	return errors.New("nothing to receive")
}

// benchQueue is SendMessage, ReceiveMessage and DeleteMessage on 32 connections, each
// durable when it is answered: against the writes that these are to Pebble alone, and
// against what peers are there (make peers).
func benchQueue(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	text := strings.Repeat("x", 900)
	tule, err := r.queueOf(ctx, r.address, text)
	if err != nil {
		return nil, err
	}
	db, err := pebble.Open(filepath.Join(r.dir, "pebble-queue"), &pebble.Options{Logger: silent{}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	floor := func(d time.Duration) (float64, error) {
		return rate(ctx, 32, d, func(w, i int) error { return queueFloor(db, fmt.Sprintf("%d-%d", w, i), text) })
	}
	a, b, ratio, err := inTurns(4, time.Second, tule, floor)
	if err != nil {
		return nil, err
	}
	rows := []row{{"send, receive, delete, 32 connections", perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "> 0.3 ×", ratio > 0.3}}
	for _, p := range []struct {
		name string
		over float64
		run  func(context.Context, *rig, string) (func(time.Duration) (float64, error), func(), error)
	}{{"ElasticMQ", 5, elasticMQ}, {"RabbitMQ, confirms", 0.7, rabbitMQ}} {
		peer, stop, err := p.run(ctx, r, text)
		if errors.Is(err, os.ErrNotExist) {
			fmt.Fprintf(os.Stderr, "no %s here (make peers)\n", p.name)
			continue
		}
		if err != nil {
			return nil, err
		}
		a, b, ratio, err := inTurns(4, 2*time.Second, tule, peer)
		stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, row{"… against " + p.name, perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), fmt.Sprintf("> %.1f ×", p.over), ratio > p.over})
	}
	return rows, nil
}

// queueOf makes a queue, and measures turns on it.
func (r *rig) queueOf(ctx context.Context, address, text string) (func(time.Duration) (float64, error), error) {
	all, err := r.talkers(32, address)
	if err != nil {
		return nil, err
	}
	b, err := all[0].call("CreateQueue", `{"QueueName":"bench"}`)
	if err != nil {
		return nil, err
	}
	_, rest, _ := bytes.Cut(b, []byte(`"QueueUrl":"`))
	url, _, _ := bytes.Cut(rest, []byte(`"`))
	return func(d time.Duration) (float64, error) {
		return rate(ctx, 32, d, func(w, _ int) error { return all[w].turn(string(url), text) })
	}, nil
}

// queueFloor are the writes of one turn: a message and its place; the place moved; both
// gone.
func queueFloor(db *pebble.DB, key, text string) error {
	m, at, to := []byte("m/"+key), []byte("v/0/"+key), []byte("v/1/"+key)
	for _, write := range []func(b *pebble.Batch) error{
		func(b *pebble.Batch) error { return errors.Join(b.Set(m, []byte(text), nil), b.Set(at, nil, nil)) },
		func(b *pebble.Batch) error { return errors.Join(b.Delete(at, nil), b.Set(to, []byte("1"), nil)) },
		func(b *pebble.Batch) error { return errors.Join(b.Delete(m, nil), b.Delete(to, nil)) },
	} {
		b := db.NewBatch()
		if err := errors.Join(write(b), b.Commit(pebble.Sync), b.Close()); err != nil {
			return err
		}
	}
	return nil
}

// elasticMQ runs ElasticMQ, which keeps its messages in memory, and measures it.
func elasticMQ(ctx context.Context, r *rig, text string) (func(time.Duration) (float64, error), func(), error) {
	libs, _ := filepath.Glob(".cache/elasticmq-*/lib")
	if len(libs) == 0 {
		return nil, nil, os.ErrNotExist
	}
	address := freeAddress()
	_, port, _ := net.SplitHostPort(address)
	stop, err := r.peer(address, exec.Command("java", "-Dnode-address.port="+port, "-Drest-sqs.bind-port="+port, "-Drest-sqs.bind-hostname=127.0.0.1",
		"-Drest-stats.enabled=false", "-cp", libs[0]+"/*", "org.elasticmq.server.Main"))
	if err != nil {
		return nil, nil, err
	}
	f, err := r.queueOf(ctx, address, text)
	if err == nil {
		for range 3 { // a JVM is slow at first
			_, err = f(2 * time.Second)
		}
	}
	if err != nil {
		stop()
	}
	return f, stop, err
}

// rabbitMQ runs RabbitMQ, and measures it by the program test/rabbit: a durable queue,
// persistent messages, confirms, and acknowledgements.
func rabbitMQ(_ context.Context, r *rig, text string) (func(time.Duration) (float64, error), func(), error) {
	const server = "/usr/lib/rabbitmq/bin/rabbitmq-server"
	client, err := filepath.Abs("bin/rabbit")
	if err != nil {
		return nil, nil, err
	}
	for _, p := range []string{server, client} {
		if _, err := os.Stat(p); err != nil {
			return nil, nil, os.ErrNotExist
		}
	}
	address := freeAddress()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(server)
	dir := filepath.Join(r.dir, "rabbit")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	cmd.Env = append(os.Environ(), "HOME="+dir, "RABBITMQ_NODENAME=bench@localhost", "RABBITMQ_NODE_PORT="+port, "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1",
		"RABBITMQ_MNESIA_BASE="+dir, "RABBITMQ_LOG_BASE="+dir, "RABBITMQ_DIST_PORT=35672", "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(dir, "plugins"))
	stop, err := r.peer(address, cmd)
	if err != nil {
		return nil, nil, err
	}
	return func(d time.Duration) (float64, error) {
		out, err := exec.Command(client, address, d.String(), strconv.Itoa(len(text))).Output()
		if err != nil {
			return 0, err
		}
		return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	}, stop, nil
}

// peer starts a peer and waits until it listens.
func (r *rig) peer(address string, cmd *exec.Cmd) (stop func(), err error) {
	log, err := os.Create(filepath.Join(r.dir, filepath.Base(cmd.Path)+".log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
	}
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			time.Sleep(time.Second)
			return stop, nil
		}
	}
	stop()
	text, _ := os.ReadFile(log.Name())
	return nil, fmt.Errorf("%s does not listen: %s", cmd.Path, text)
}
