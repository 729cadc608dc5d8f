package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	apigatewayapi "github.com/tule-cloud/tule/api/apigateway"
	connectionsapi "github.com/tule-cloud/tule/api/apigatewaymanagementapi"
	apigatewayv2api "github.com/tule-cloud/tule/api/apigatewayv2"
	cloudformationapi "github.com/tule-cloud/tule/api/cloudformation"
	cloudtrailapi "github.com/tule-cloud/tule/api/cloudtrail"
	cloudwatchapi "github.com/tule-cloud/tule/api/cloudwatch"
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	streamsapi "github.com/tule-cloud/tule/api/dynamodbstreams"
	ecrapi "github.com/tule-cloud/tule/api/ecr"
	eventsapi "github.com/tule-cloud/tule/api/events"
	firehoseapi "github.com/tule-cloud/tule/api/firehose"
	iamapi "github.com/tule-cloud/tule/api/iam"
	kinesisapi "github.com/tule-cloud/tule/api/kinesis"
	lambdaapi "github.com/tule-cloud/tule/api/lambda"
	logsapi "github.com/tule-cloud/tule/api/logs"
	organizationsapi "github.com/tule-cloud/tule/api/organizations"
	schedulerapi "github.com/tule-cloud/tule/api/scheduler"
	sesapi "github.com/tule-cloud/tule/api/ses"
	sesv2api "github.com/tule-cloud/tule/api/sesv2"
	snsapi "github.com/tule-cloud/tule/api/sns"
	sqsapi "github.com/tule-cloud/tule/api/sqs"
	ssmapi "github.com/tule-cloud/tule/api/ssm"
	stsapi "github.com/tule-cloud/tule/api/sts"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/blob"
	"github.com/tule-cloud/tule/front"
	"github.com/tule-cloud/tule/gateway/domain"
	"github.com/tule-cloud/tule/gateway/jwt"
	"github.com/tule-cloud/tule/runtimes"
	"github.com/tule-cloud/tule/sandbox"
	"github.com/tule-cloud/tule/seal"
	"github.com/tule-cloud/tule/steer"
	"github.com/tule-cloud/tule/store"
	"github.com/tule-cloud/tule/svc/apigateway"
	"github.com/tule-cloud/tule/svc/apigatewayv2"
	"github.com/tule-cloud/tule/svc/cloudformation"
	"github.com/tule-cloud/tule/svc/cloudtrail"
	"github.com/tule-cloud/tule/svc/cloudwatch"
	"github.com/tule-cloud/tule/svc/dynamodb"
	"github.com/tule-cloud/tule/svc/ecr"
	"github.com/tule-cloud/tule/svc/events"
	"github.com/tule-cloud/tule/svc/firehose"
	"github.com/tule-cloud/tule/svc/iam"
	"github.com/tule-cloud/tule/svc/kinesis"
	"github.com/tule-cloud/tule/svc/logs"
	"github.com/tule-cloud/tule/svc/organizations"
	"github.com/tule-cloud/tule/svc/scheduler"
	"github.com/tule-cloud/tule/svc/ses"
	"github.com/tule-cloud/tule/svc/sns"
	"github.com/tule-cloud/tule/svc/sqs"
	"github.com/tule-cloud/tule/svc/ssm"
	"github.com/tule-cloud/tule/svc/sts"
)

// house is Tule: its parts, built from the bottom up.
type house struct {
	settings
	log       *slog.Logger
	clock     aws.Clock
	random    io.Reader
	store     *store.Pebble
	keys      *seal.Keys
	zips      *blob.Dir // functions' code, as it was uploaded
	authority *steer.Authority
	gate      *steer.Gate // where the ports inside sandboxes lead
	sandboxes *sandbox.Host
	runtimes  func(context.Context) (*runtimes.Set, error)
	iam       *iam.Service
	sts       *sts.Service
	accounts  *organizations.Service
	trail     *cloudtrail.Service
	front     *front.Front
	metrics   *cloudwatch.Service
	registry  *prometheus.Registry

	background []func(context.Context) error
	closers    []func() error // run last to first
}

// build makes the parts, each from those before it.
func build(ctx context.Context, s settings, logger *slog.Logger) (h *house, err error) {
	h = &house{settings: s, log: logger, clock: systemClock{}, random: rand.Reader}
	if s.test {
		h.clock = newMovedClock()
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	for _, step := range []func(context.Context) error{h.buildState, h.buildSandboxes, h.buildDoor, h.buildServices} {
		if err := step(ctx); err != nil {
			return h, err
		}
	}
	return h, nil
}

// buildState opens what is kept on disk.
func (h *house) buildState(context.Context) (err error) {
	// What is mounted into sandboxes goes by whole paths.
	if h.data, err = filepath.Abs(h.data); err != nil {
		return err
	}
	if err := os.MkdirAll(h.data, 0o711); err != nil {
		return fmt.Errorf("the data folder %s cannot be made: %w\nChoose another with --data", h.data, err)
	}
	if h.keys, err = seal.Open(h.in("key"), h.random); err != nil {
		return err
	}
	if h.store, err = store.Open(h.in("store"), store.Options{Clock: h.clock, Logger: h.log}); err != nil {
		return err
	}
	h.closers = append(h.closers, h.store.Close)
	h.background = append(h.background, h.store.Run)
	if h.zips, err = blob.Open(h.in("zips"), h.random); err != nil {
		return err
	}
	h.authority, err = steer.OpenAuthority(steer.AuthorityOptions{Dir: h.in("authority"), Clock: systemClock{}, Rand: h.random})
	return err
}

// buildSandboxes finds out how functions can be isolated here, and what runs them.
func (h *house) buildSandboxes(context.Context) (err error) {
	mode := sandbox.Namespaces
	if h.settings.isolation == "process" {
		mode = sandbox.Process
	}
	h.sandboxes, err = sandbox.Open(sandbox.Options{Dir: h.in("sandboxes"), Mode: mode, Logger: h.log, Clock: h.clock, Self: h.self})
	if errors.Is(err, sandbox.ErrUnavailable) {
		return fmt.Errorf("%w\nWhere functions need no walls, start with --isolation=process", err)
	}
	if err != nil {
		return err
	}
	h.closers = append(h.closers, h.sandboxes.Close)
	found := &lazyRuntimes{dir: runtimesDir(h.data), log: h.log}
	h.runtimes = found.get
	h.background = append(h.background, found.warm)
	h.gate = steer.NewGate(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443})
	h.closers = append(h.closers, h.gate.Close)
	return nil
}

// buildDoor makes the front door, which leads nowhere yet.
func (h *house) buildDoor(context.Context) error {
	h.trail = cloudtrail.New(cloudtrail.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log,
		Allow: func(ctx context.Context, needs ...aws.Access) error { return h.front.Allow(ctx, needs...) },
		Organization: func(ctx context.Context, account string) (id, manager string, err error) {
			return h.accounts.ManagerOf(ctx, account)
		},
		Peers: peers{h}, Box: h.keys.For("cloudtrail")})
	h.iam = iam.New(iam.Options{Store: h.store, Clock: h.clock, Random: h.random, Keys: h.keys, Logger: h.log, Peers: peers{h}, Activity: h.trail})
	h.sts = sts.New(h.federation(sts.Options{Clock: h.clock, Random: h.random, Keys: h.keys, Roles: h.iam, Store: h.store, Outbound: h.iam,
		Place: func(ctx context.Context, account string) (id, path string, err error) {
			at, err := h.accounts.PlaceOf(ctx, account)
			return at.ID, at.Path, err
		}}))
	h.accounts = organizations.New(organizations.Options{Store: h.store, Clock: h.clock, Random: h.random, Peers: peers{h}, Logger: h.log, Pin: h.loopback()})
	h.registry = prometheus.NewRegistry()
	options := front.Options{
		Clock: h.clock, Random: h.random, Logger: h.log,
		Identity:      identity{h.iam, h.sts},
		Mode:          front.Mode(h.settings.iam),
		Organizations: places{h.accounts},
		Audit:         records{h.iam, h.trail},
		Keys:          h.keys,
		TrustUnknown:  h.loopback(),
		Region:        h.region,
		AnyRegion:     h.anyRegion,
		Origins:       h.origins,
		Version:       version,
		Metrics:       promhttp.HandlerFor(h.registry, promhttp.HandlerOpts{}),
	}
	if h.test {
		options.Reset = h.reset
		if moved, ok := h.clock.(*movedClock); ok {
			options.Advance, options.Signers = moved.Advance, systemClock{}
		}
	}
	h.front = front.New(options)
	h.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	h.registry.MustRegister(h.front.Collectors()...)
	return nil
}

// buildServices makes each service and opens the door to it.
func (h *house) buildServices(context.Context) error {
	h.metrics = cloudwatch.New(cloudwatch.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front})
	dynamo := dynamodb.New(dynamodb.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics})
	logger := logs.New(logs.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics})
	streams := kinesis.New(kinesis.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, ShardLimit: h.shardLimit, Meter: h.metrics})
	images := ecr.New(ecr.Options{Store: h.store, Clock: h.clock})
	parameters := ssm.New(ssm.Options{Store: h.store, Clock: h.clock, Keys: h.keys})
	gateway := apigateway.New(h.gateway())
	newer := apigatewayv2.New(h.gatewayV2())
	functions, err := h.functions()
	if err != nil {
		return err
	}
	h.front.Add(front.Service{Model: iamapi.Service, Operations: iamapi.Operations(), Routes: h.iam.Routes()})
	h.front.Add(front.Service{Model: stsapi.Service, Operations: stsapi.Operations(), Routes: h.sts.Routes()}, h.sts.Planes()...)
	h.front.Add(front.Service{Model: organizationsapi.Service, Operations: organizationsapi.Operations(), Routes: h.accounts.Routes()})
	h.front.Add(front.Service{Model: cloudtrailapi.Service, Operations: cloudtrailapi.Operations(), Routes: h.trail.Routes()}, h.trail.Planes()...)
	h.front.Add(front.Service{Model: logsapi.Service, Operations: logsapi.Operations(), Routes: logger.Routes()})
	h.front.Add(front.Service{Model: dynamodbapi.Service, Operations: dynamodbapi.Operations(), Routes: dynamo.Routes()})
	h.front.Add(front.Service{Model: streamsapi.Service, Operations: streamsapi.Operations(), Routes: dynamo.Streams().Routes()})
	h.front.Add(front.Service{Model: kinesisapi.Service, Operations: kinesisapi.Operations(), Routes: streams.Routes()})
	h.front.Add(front.Service{Model: lambdaapi.Service, Operations: lambdaapi.Operations(), Routes: functions.Routes()}, functions.Planes()...)
	h.front.Add(front.Service{Model: ecrapi.Service, Operations: ecrapi.Operations(), Routes: images.Routes()})
	h.front.Add(front.Service{Model: ssmapi.Service, Operations: ssmapi.Operations(), Routes: parameters.Routes()})
	// Before REST APIs, which claim every address of APIs.
	h.front.Add(front.Service{Model: apigatewayv2api.Service, Operations: apigatewayv2api.Operations(), Routes: newer.Routes()}, newer.Planes()...)
	h.front.Add(front.Service{Model: connectionsapi.Service, Operations: connectionsapi.Operations(), Routes: newer.Connections()})
	h.front.Add(front.Service{Model: apigatewayapi.Service, Operations: apigatewayapi.Operations(), Routes: gateway.Routes()}, gateway.Planes()...)
	h.background = append(h.background, h.iam.Run, h.accounts.Run, h.trail.Run, dynamo.Run, logger.Run, streams.Run, functions.Run, gateway.Run, newer.Run)
	h.buildEvents()
	return h.buildMessages()
}

// buildEvents makes what watches, waits for a time, passes on what happens, and deploys.
func (h *house) buildEvents() {
	bus := events.New(h.bus())
	schedules := scheduler.New(h.schedules())
	deliveries := firehose.New(h.deliveries())
	deployments := cloudformation.New(h.deployments())
	h.front.Add(front.Service{Model: cloudwatchapi.Service, Operations: cloudwatchapi.Operations(), Routes: h.metrics.Routes()})
	h.front.Add(front.Service{Model: eventsapi.Service, Operations: eventsapi.Operations(), Routes: bus.Routes()})
	h.front.Add(front.Service{Model: schedulerapi.Service, Operations: schedulerapi.Operations(), Routes: schedules.Routes()})
	h.front.Add(front.Service{Model: firehoseapi.Service, Operations: firehoseapi.Operations(), Routes: deliveries.Routes()})
	h.front.Add(front.Service{Model: cloudformationapi.Service, Operations: cloudformationapi.Operations(), Routes: deployments.Routes()}, deployments.Planes()...)
	h.background = append(h.background, h.metrics.Run, bus.Run, schedules.Run, deliveries.Run, deployments.Run)
}

// buildMessages makes what objects, messages and mail go through. S3 is the last of all
// services: any path may be a bucket's.
func (h *house) buildMessages() error {
	queues := sqs.New(h.queues())
	forTopics, err := h.topics()
	if err != nil {
		return err
	}
	topics := sns.New(forTopics)
	mail := ses.New(h.mail())
	receive, err := h.receiveMail(mail)
	if err != nil {
		return err
	}
	h.front.Add(front.Service{Model: sqsapi.Service, Operations: sqsapi.Operations(), Routes: queues.Routes()}, queues.Planes()...)
	h.front.Add(front.Service{Model: snsapi.Service, Operations: snsapi.Operations(), Routes: topics.Routes()}, topics.Planes()...)
	h.front.Add(front.Service{Model: sesapi.Service, Operations: sesapi.Operations(), Routes: mail.Routes()}, mail.Planes()...)
	h.front.Add(front.Service{Model: sesv2api.Service, Operations: sesv2api.Operations(), Routes: mail.Version2()})
	objects, err := h.objects()
	if err != nil {
		return err
	}
	h.background = append(h.background, queues.Run, topics.Run, mail.Run, receive, objects.Run)
	return nil
}

// gateway is what API Gateway needs. It reaches HTTP back ends, as functions do the
// outside, only where the operator lets them.
func (h *house) gateway() apigateway.Options {
	o := apigateway.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics, Allow: h.front.Allow, Forward: h.front.Forward}
	keys := jwt.Options{Clock: h.clock, Registered: issuers(h.in("issuers")).keys}
	if h.egress == "nat" {
		keys.Fetch = fetch
	}
	o.Issuers, o.Box, o.Rate = jwt.New(keys), h.keys.For("gateway"), h.requestRate
	if h.egress == "nat" {
		o.HTTP = apigateway.Transport()
	}
	return o
}

// gatewayV2 is what HTTP APIs and WebSocket APIs need.
func (h *house) gatewayV2() apigatewayv2.Options {
	o := apigatewayv2.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics, Allow: h.front.Allow}
	tokens := jwt.Options{Clock: h.clock, Registered: issuers(h.in("issuers")).keys}
	if h.egress == "nat" {
		o.HTTP, tokens.Fetch = apigateway.Transport(), fetch
	}
	o.Tokens = jwt.New(tokens)
	return o
}

// tls is how the door speaks it: for any name by Tule's own authority, for custom domain
// names as they ask for.
func (h *house) tls() *tls.Config {
	return domain.TLS{Store: h.store, Box: h.keys.For("gateway"), Base: h.authority.TLSConfig()}.Config()
}

// Close ends what build began, last to first.
func (h *house) Close() error {
	var errs []error
	for i := len(h.closers) - 1; i >= 0; i-- {
		errs = append(errs, h.closers[i]())
	}
	h.closers = nil
	return errors.Join(errs...)
}

func (h *house) in(name string) string { return filepath.Join(h.data, name) }

func (h *house) isolation() string { return h.sandboxes.Features().String() }

// reset empties an instance for tests.
func (h *house) reset(ctx context.Context, account, service string) error {
	defer h.accounts.Forget()
	return store.Reset(ctx, h.store, account, service)
}
