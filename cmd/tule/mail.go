package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/smtp"
	"time"

	smtpd "github.com/emersion/go-smtp"

	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/svc/ses"
)

// mail is what SES needs.
func (h *house) mail() ses.Options {
	return ses.Options{Store: h.store, Clock: h.clock, Random: h.random, Logger: h.log, Peers: h.front, Meter: h.metrics, Relay: h.smtp.relay()}
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

// Of what receives mail.
const (
	inboxRecipients = 50
	inboxBytes      = 40 << 20
	inboxLine       = 64 << 10 // of a message
)

// receiveMail listens where --mail-listen says, and gives what serves SMTP there until
// its context ends: nothing without an address.
func (h *house) receiveMail(mail *ses.Service) (func(context.Context) error, error) {
	if h.mailListen == "" {
		return func(context.Context) error { return nil }, nil
	}
	listeners, err := listen([]string{h.mailListen})
	if err != nil {
		return nil, err
	}
	l := listeners[0]
	h.closers = append(h.closers, func() error { _ = l.Close(); return nil }) // it may be closed
	return func(ctx context.Context) error {
		server := smtpd.NewServer(smtpd.BackendFunc(func(c *smtpd.Conn) (smtpd.Session, error) {
			return &inbox{ctx: ctx, mail: mail, conn: c, log: h.log}, nil
		}))
		server.Domain, server.TLSConfig = "inbound-smtp."+h.region+".amazonaws.com", h.authority.TLSConfig()
		server.MaxRecipients, server.MaxMessageBytes, server.MaxLineLength = inboxRecipients, inboxBytes, inboxLine
		server.ReadTimeout, server.WriteTimeout = smtpLimit, smtpLimit
		server.ErrorLog = slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)
		stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // what is not acknowledged is sent again
		defer stop()
		if err := server.Serve(l); err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	}, nil
}

// An inbox is a conversation with who brings mail.
type inbox struct {
	ctx  context.Context
	mail *ses.Service
	conn *smtpd.Conn
	log  *slog.Logger
	ses.Envelope
}

var _ smtpd.Session = (*inbox)(nil)

// Reset implements smtp.Session.
func (i *inbox) Reset() { i.Envelope = ses.Envelope{} }

// Logout implements smtp.Session.
func (i *inbox) Logout() error { return nil }

// Mail implements smtp.Session.
func (i *inbox) Mail(from string, _ *smtpd.MailOptions) error {
	i.Envelope = ses.Envelope{From: from}
	if at, err := netip.ParseAddrPort(i.conn.Conn().RemoteAddr().String()); err == nil {
		i.Source = at.Addr()
	}
	_, i.Secure = i.conn.TLSConnectionState()
	return nil
}

// later is the answer to what fails here.
func (i *inbox) later(err error) error {
	i.log.Warn("mail that came could not be kept", "from", i.From, "error", err)
	return &smtpd.SMTPError{Code: 451, EnhancedCode: smtpd.EnhancedCode{4, 3, 0}, Message: "Requested action aborted: local error in processing"}
}

// Rcpt implements smtp.Session.
func (i *inbox) Rcpt(to string, _ *smtpd.RcptOptions) error {
	takes, err := i.mail.Takes(i.ctx, i.Envelope, to)
	if err != nil {
		return i.later(err)
	}
	if !takes {
		return &smtpd.SMTPError{Code: 550, EnhancedCode: smtpd.EnhancedCode{5, 1, 1}, Message: "Requested action not taken: mailbox unavailable"}
	}
	i.To = append(i.To, to)
	return nil
}

// Data implements smtp.Session.
func (i *inbox) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	err = i.mail.Receive(i.ctx, i.Envelope, raw)
	var e *aws.Error
	if errors.As(err, &e) && !e.Server() {
		return &smtpd.SMTPError{Code: 554, EnhancedCode: smtpd.EnhancedCode{5, 7, 1}, Message: e.Message}
	}
	if err != nil {
		return i.later(err)
	}
	return nil
}
