// Command rabbit measures RabbitMQ for the benchmarks: 32 connections, each of which
// publishes a persistent message to a durable queue, waits for the confirm, receives a
// message and acknowledges it, for as long as the second argument says.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: rabbit host:port duration bytes")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "rabbit:", err)
		os.Exit(1)
	}
}

func run(address, duration, size string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	var workers []func(context.Context) error
	for range 32 {
		w, err := worker("amqp://guest:guest@"+address+"/", bytes.Repeat([]byte("x"), n))
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var turns atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	begin := time.Now()
	for _, w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := w(context.Background()); err != nil {
					failed.Store(&err)
					return
				}
				turns.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	fmt.Println(float64(turns.Load()) / time.Since(begin).Seconds())
	return nil
}

// worker is one turn on a connection of its own.
func worker(url string, body []byte) (func(context.Context) error, error) {
	conn, err := amqp.Dial(url)
	if err != nil {
		return nil, err
	}
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if _, err := ch.QueueDeclare("bench", true, false, false, false, nil); err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		c, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", "bench", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil {
			return err
		}
		if ok, err := c.WaitContext(ctx); err != nil || !ok {
			return fmt.Errorf("not confirmed: %w", err)
		}
		for {
			m, ok, err := ch.Get("bench", false)
			if err != nil {
				return err
			}
			if ok {
				return m.Ack(false)
			}
		}
	}, nil
}
