package ses

import (
	"bytes"
	"encoding/base64"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
	"unicode"
)

// content is what a message says, and what goes with it.
type content struct {
	subject, text, html string
	attached            []attachment
}

// An attachment is a file of a message.
type attachment struct {
	kind, disposition, id, name, about string
	data                               []byte
}

// A header is one of a message's, in their order.
type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// mime is the message as it is sent, below the given headers.
func (c *content) mime(now time.Time, boundary string, head []header) []byte {
	var b bytes.Buffer
	b.WriteString("Date: " + now.Format(time.RFC1123Z) + "\r\n")
	for _, h := range head {
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	b.WriteString("Subject: " + mime.QEncoding.Encode("UTF-8", oneLine(c.subject)) + "\r\nMIME-Version: 1.0\r\n")
	if len(c.attached) == 0 {
		c.body(&b, boundary)
		return b.Bytes()
	}
	outer := boundary + "_mixed"
	b.WriteString("Content-Type: multipart/mixed; boundary=\"" + outer + "\"\r\n\r\n--" + outer + "\r\n")
	c.body(&b, boundary)
	for i := range c.attached {
		b.WriteString("--" + outer + "\r\n")
		c.attached[i].write(&b)
	}
	b.WriteString("--" + outer + "--\r\n")
	return b.Bytes()
}

// body writes the texts, with the headers that say what they are.
func (c *content) body(b *bytes.Buffer, boundary string) {
	part := func(kind, body string) {
		b.WriteString("Content-Type: " + kind + "; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
		w := quotedprintable.NewWriter(b)
		_, _ = w.Write([]byte(body)) // into memory
		_ = w.Close()
		b.WriteString("\r\n")
	}
	switch {
	case c.html == "":
		part("text/plain", c.text)
	case c.text == "":
		part("text/html", c.html)
	default:
		b.WriteString("Content-Type: multipart/alternative; boundary=\"" + boundary + "\"\r\n\r\n--" + boundary + "\r\n")
		part("text/plain", c.text)
		b.WriteString("--" + boundary + "\r\n")
		part("text/html", c.html)
		b.WriteString("--" + boundary + "--\r\n")
	}
}

// write writes a file as a part.
func (a *attachment) write(b *bytes.Buffer) {
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + value + "\r\n")
		}
	}
	line("Content-Type", a.kind)
	line("Content-Description", mime.QEncoding.Encode("UTF-8", oneLine(a.about)))
	line("Content-Disposition", mime.FormatMediaType(a.disposition, map[string]string{"filename": a.name}))
	if a.id != "" {
		line("Content-ID", "<"+oneLine(a.id)+">")
	}
	line("Content-Transfer-Encoding", "base64")
	text := base64.StdEncoding.EncodeToString(a.data)
	for b.WriteString("\r\n"); len(text) > 0; {
		n := min(len(text), base64Line)
		b.WriteString(text[:n] + "\r\n")
		text = text[n:]
	}
}

// base64Line is how many characters of base64 mail has in a line.
const base64Line = 76

// oneLine keeps a text from beginning further headers.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || unicode.IsControl(r) && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// maxHeaders is how many bytes of headers notifications hold.
const maxHeaders = 10 << 10

// headersOf are a raw message's, and whether there were more than notifications hold.
func headersOf(raw []byte) (list []header, truncated bool) {
	size := 0
	for _, line := range headerLines(raw) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		if size += len(line); size > maxHeaders {
			return list, true
		}
		value = strings.TrimSpace(value)
		if word, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = word
		}
		list = append(list, header{name, strings.ToValidUTF8(value, "\ufffd")})
	}
	return list, false
}

// headerLines are the unfolded lines of a raw message's head.
func headerLines(raw []byte) []string {
	var out []string
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte("\n"))
		raw = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			out[len(out)-1] += " " + strings.TrimSpace(string(line))
			continue
		}
		out = append(out, string(line))
	}
	return out
}

// withoutBcc is a raw message without the headers that its recipients may not see.
func withoutBcc(raw []byte) []byte {
	var out []byte
	dropping := false
	for rest := raw; len(rest) > 0; {
		line, more, found := bytes.Cut(rest, []byte("\n"))
		if found {
			line = rest[:len(line)+1]
		}
		rest = more
		trimmed := bytes.TrimRight(line, "\r\n")
		if len(trimmed) == 0 {
			return append(append(out, line...), rest...)
		}
		if !(dropping && (trimmed[0] == ' ' || trimmed[0] == '\t')) {
			dropping = len(trimmed) >= 4 && bytes.EqualFold(trimmed[:4], []byte("bcc:"))
		}
		if !dropping {
			out = append(out, line...)
		}
	}
	return out
}

// commonHeaders are those that notifications hold once more, taken apart.
func commonHeaders(list []header, id string) map[string]any {
	out := map[string]any{"messageId": id}
	for _, h := range list {
		switch name := strings.ToLower(h.Name); name {
		case "from", "to", "cc", "bcc", "sender", "reply-to":
			key := map[string]string{"reply-to": "replyTo"}[name]
			if key == "" {
				key = name
			}
			out[key] = addressTexts(h.Value)
		case "date", "subject":
			out[name] = h.Value
		}
	}
	return out
}

func addressTexts(value string) []string {
	list, err := mail.ParseAddressList(value)
	if err != nil {
		return []string{value}
	}
	var out []string
	for _, a := range list {
		if a.Name == "" {
			out = append(out, a.Address)
		} else {
			out = append(out, a.Name+" <"+a.Address+">")
		}
	}
	return out
}
