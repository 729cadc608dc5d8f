package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	recordsPerCall = 500
	recordSize     = 1000 // bytes
	// readShards are as many as keep 32 connections busy: each gives 5 reads and 2 MB a second.
	readShards = 256
)

// benchStreams is PutRecords of 500 records of 1 KB on 32 connections, durable when it is
// answered, and GetRecords of as many: records a second, against kinesalite, which keeps them
// in memory (make peers).
func benchStreams(ctx context.Context, r *rig) ([]row, error) {
	if err := r.need(); err != nil {
		return nil, err
	}
	address, stop, err := kinesalite(r)
	if errors.Is(err, os.ErrNotExist) {
		return []row{{what: "PutRecords and GetRecords, against kinesalite", tule: "not measured: make peers fetches it"}}, nil
	}
	if err != nil {
		return nil, err
	}
	defer stop()
	// Tule holds provisioned shards to their limits, and kinesalite none.
	put, err := r.puts(ctx, r.address, `{"StreamName":"put","StreamModeDetails":{"StreamMode":"ON_DEMAND"}}`)
	if err != nil {
		return nil, err
	}
	get, err := r.gets(ctx, r.address, readShards)
	if err != nil {
		return nil, err
	}
	peerPut, err := r.puts(ctx, address, `{"StreamName":"put","ShardCount":4}`)
	if err != nil {
		return nil, fmt.Errorf("kinesalite: %w", err)
	}
	peerGet, err := r.gets(ctx, address, 32)
	if err != nil {
		return nil, fmt.Errorf("kinesalite: %w", err)
	}
	var rows []row
	for _, x := range []struct {
		what       string
		tule, peer func(time.Duration) (float64, error)
	}{{"PutRecords, 500 × 1 KB, records, against kinesalite", put, peerPut}, {"GetRecords, 500 × 1 KB, records, against kinesalite", get, peerGet}} {
		a, b, ratio, err := inTurns(4, 2*time.Second, x.tule, x.peer)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{x.what, perSecond(a), perSecond(b), fmt.Sprintf("%.2f ×", ratio), "> 8.0 ×", ratio > 8})
	}
	return rows, nil
}

// streamTalkers are connections that speak Kinesis's JSON.
func (r *rig) streamTalkers(address string, n int) (all []*talker, err error) {
	for range n {
		t, err := r.caller(address, "kinesis", "application/x-amz-json-1.1", "X-Amz-Target: Kinesis_20131202.")
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// redial gives talkers new connections: servers close those that have nothing to say.
func redial(address string, all []*talker) error {
	for _, t := range all {
		t.conn.Close()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		t.conn = conn
		t.in.Reset(conn)
	}
	return nil
}

// madeStream makes a stream, and waits until it is there.
func madeStream(t *talker, name, input string) error {
	if _, err := t.call("CreateStream", input); err != nil {
		return err
	}
	for range 100 {
		b, err := t.call("DescribeStream", `{"StreamName":"`+name+`"}`)
		if err != nil {
			return err
		}
		if bytes.Contains(b, []byte(`"StreamStatus":"ACTIVE"`)) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the stream %s does not become active", name)
}

// streamBatch is the input of a PutRecords; every record goes to the shard of hash, if that is not
// empty.
func streamBatch(name, hash string) string {
	data := make([]byte, recordSize)
	rand.Read(data) // never fails
	text := base64.StdEncoding.EncodeToString(data)
	if hash != "" {
		hash = `,"ExplicitHashKey":"` + hash + `"`
	}
	var b strings.Builder
	b.WriteString(`{"StreamName":"` + name + `","Records":[`)
	for i := range recordsPerCall {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"Data":"%s","PartitionKey":"key-%d"%s}`, text, i, hash)
	}
	b.WriteString("]}")
	return b.String()
}

// puts measures PutRecords, in records a second.
func (r *rig) puts(ctx context.Context, address, create string) (func(time.Duration) (float64, error), error) {
	all, err := r.streamTalkers(address, 32)
	if err != nil {
		return nil, err
	}
	if err := madeStream(all[0], "put", create); err != nil {
		return nil, err
	}
	body := streamBatch("put", "")
	return func(d time.Duration) (float64, error) {
		if err := redial(address, all); err != nil {
			return 0, err
		}
		calls, err := rate(ctx, len(all), d, func(w, _ int) error {
			b, err := all[w].call("PutRecords", body)
			if err == nil && !bytes.Contains(b, []byte(`"FailedRecordCount":0`)) {
				err = errors.New("PutRecords refused records")
			}
			return err
		})
		return calls * recordsPerCall, err
	}, nil
}

// gets fills each shard of a stream with one batch, and measures GetRecords of them, in
// records a second.
func (r *rig) gets(ctx context.Context, address string, shards int) (func(time.Duration) (float64, error), error) {
	all, err := r.streamTalkers(address, 32)
	if err != nil {
		return nil, err
	}
	if err := madeStream(all[0], "get", fmt.Sprintf(`{"StreamName":"get","ShardCount":%d}`, shards)); err != nil {
		return nil, err
	}
	iterators, width := make([]string, shards), new(big.Int).Rsh(new(big.Int).Lsh(big.NewInt(1), 128), uint(big.NewInt(int64(shards)).BitLen()-1))
	for i := range iterators {
		if _, err := all[0].call("PutRecords", streamBatch("get", new(big.Int).Mul(width, big.NewInt(int64(i))).String())); err != nil {
			return nil, err
		}
		b, err := all[0].call("GetShardIterator", fmt.Sprintf(`{"StreamName":"get","ShardId":"shardId-%012d","ShardIteratorType":"TRIM_HORIZON"}`, i))
		if err != nil {
			return nil, err
		}
		_, rest, _ := bytes.Cut(b, []byte(`"ShardIterator":"`))
		text, _, _ := bytes.Cut(rest, []byte(`"`))
		iterators[i] = string(text)
	}
	return func(d time.Duration) (float64, error) {
		if err := redial(address, all); err != nil {
			return 0, err
		}
		calls, err := rate(ctx, len(all), d, func(w, i int) error {
			// Each connection has shards of its own, which it reads in turn.
			at := w + len(all)*(i%(shards/len(all)))
			b, err := all[w].call("GetRecords", `{"ShardIterator":"`+iterators[at]+`"}`)
			for err != nil && strings.Contains(err.Error(), "ProvisionedThroughputExceeded") && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
				b, err = all[w].call("GetRecords", `{"ShardIterator":"`+iterators[at]+`"}`)
			}
			if err == nil && bytes.Count(b, []byte(`"PartitionKey"`)) != recordsPerCall {
				err = fmt.Errorf("GetRecords gave %d records", bytes.Count(b, []byte(`"PartitionKey"`)))
			}
			return err
		})
		return calls * recordsPerCall, err
	}, nil
}

// kinesalite runs kinesalite.
func kinesalite(r *rig) (address string, stop func(), err error) {
	program, err := filepath.Abs(filepath.Join(".cache", "kinesalite", "node_modules", ".bin", "kinesalite"))
	if err != nil {
		return "", nil, err
	}
	if _, err := os.Stat(program); err != nil {
		return "", nil, os.ErrNotExist
	}
	address = freeAddress()
	_, port, _ := net.SplitHostPort(address)
	stop, err = r.peer(address, exec.Command(program, "--port", port, "--shardLimit", "1000", "--createStreamMs", "0"))
	return address, stop, err
}
