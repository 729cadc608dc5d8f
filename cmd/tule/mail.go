package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/smtp"
	"time"

	"github.com/tule-cloud/tule/svc/ses"
)

// mail is what SES needs.
func (h *house) mail() ses.Options {
	return ses.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Relay: h.smtp.relay()}
}

// relay is the SMTP relay that the settings name, or nil.
func (s *smtpSettings) relay() ses.Relay {
	if s.address == "" {
		return nil
	}
	address := s.address
	if _, _, err := net.SplitHostPort(address); err != nil {
		address = net.JoinHostPort(address, "25")
	}
	return &smtpRelay{addr: address, user: s.user, password: s.password}
}

// An smtpRelay sends mail on by SMTP, one connection a message.
type smtpRelay struct{ addr, user, password string }

var _ ses.Relay = (*smtpRelay)(nil)

// smtpLimit is how long a relay may take for a message, however it dawdles.
const smtpLimit = 2 * time.Minute

// Send implements ses.Relay.
func (r *smtpRelay) Send(ctx context.Context, from string, to []string, message []byte) error {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // whatever it waits for
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(smtpLimit)); err != nil {
		return errors.Join(err, conn.Close())
	}
	host, _, _ := net.SplitHostPort(r.addr)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer c.Close()
	return r.converse(c, host, from, to, message)
}

func (r *smtpRelay) converse(c *smtp.Client, host, from string, to []string, message []byte) error {
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: host}); err != nil {
			return err
		}
	}
	if r.user != "" {
		if err := c.Auth(smtp.PlainAuth("", r.user, r.password, host)); err != nil {
			return err
		}
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the message is the relay's by now
	return nil
}
