package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gomessage "github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // decodes more than UTF-8
	"github.com/emersion/go-message/mail"
)

// maxMessages and maxBytes bound the mailbox; the oldest messages make room.
const (
	maxMessages = 1000
	maxBytes    = 256 << 20
)

// message is one mail as it is shown.
type message struct {
	ID      int                 `json:"id"`   // counts up from 1
	From    string              `json:"from"` // of the envelope, as is To
	To      []string            `json:"to"`
	Date    time.Time           `json:"date"` // when it came in
	Subject string              `json:"subject"`
	Text    string              `json:"text"`
	HTML    string              `json:"html,omitempty"`
	Headers map[string][]string `json:"headers"`
	size    int64
}

// mailbox keeps messages, one file each: a line of JSON with the envelope, then the mail as it came.
type mailbox struct {
	dir string

	mu       sync.Mutex // guards messages and last
	messages []message  // oldest first
	last     int        // the newest id
}

// openMailbox reads what is kept in dir. A file that cannot be read is left alone.
func openMailbox(dir string) (*mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.mail"))
	if err != nil {
		return nil, err
	}
	b := &mailbox{dir: dir}
	for _, file := range files {
		id, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), ".mail"))
		if err != nil {
			continue
		}
		b.last = max(b.last, id)
		if m, _, err := readMessage(file); err == nil {
			m.ID = id
			b.messages = append(b.messages, m)
		}
	}
	slices.SortFunc(b.messages, func(x, y message) int { return x.ID - y.ID })
	return b, nil
}

// add keeps one message on disk and returns its id.
func (b *mailbox) add(from string, to []string, raw []byte) (int, error) {
	m := message{From: from, To: slices.Clone(to), Date: time.Now().UTC()}
	envelope, err := json.Marshal(m)
	if err != nil {
		return 0, err
	}
	m.parse(raw)
	m.size = int64(len(raw))
	b.mu.Lock()
	b.last++
	m.ID = b.last
	b.mu.Unlock()
	if err := replaceFile(b.file(m.ID), slices.Concat(envelope, []byte("\n"), raw)); err != nil {
		return 0, err
	}
	b.mu.Lock()
	b.messages = append(b.messages, m)
	gone := b.trim()
	b.mu.Unlock()
	for _, id := range gone {
		os.Remove(b.file(id))
	}
	return m.ID, nil
}

// trim forgets the oldest messages until the rest is within bounds, and returns their ids.
func (b *mailbox) trim() (gone []int) {
	var size int64
	for _, m := range b.messages {
		size += m.size
	}
	for len(b.messages) > maxMessages || size > maxBytes && len(b.messages) > 1 {
		size -= b.messages[0].size
		gone = append(gone, b.messages[0].ID)
		b.messages = b.messages[1:]
	}
	return gone
}

// list returns every message, oldest first.
func (b *mailbox) list() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]message{}, b.messages...)
}

// clear removes every message.
func (b *mailbox) clear() error {
	b.mu.Lock()
	gone := b.messages
	b.messages = nil
	b.mu.Unlock()
	var errs []error
	for _, m := range gone {
		if err := os.Remove(b.file(m.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// raw returns a message as it came.
func (b *mailbox) raw(id int) ([]byte, error) {
	_, raw, err := readMessage(b.file(id))
	return raw, err
}

func (b *mailbox) file(id int) string { return filepath.Join(b.dir, fmt.Sprintf("%08d.mail", id)) }

func readMessage(file string) (m message, raw []byte, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return m, nil, err
	}
	envelope, raw, _ := bytes.Cut(content, []byte("\n"))
	if err := json.Unmarshal(envelope, &m); err != nil {
		return m, nil, fmt.Errorf("read %s: %w", file, err)
	}
	m.parse(raw)
	m.size = int64(len(raw))
	return m, raw, nil
}

// maxNesting is how many multiparts a mail may have: each costs the reader of those inside it time.
const maxNesting = 50

// parse fills in what the mail says. What is not valid MIME is shown as it is.
func (m *message) parse(raw []byte) {
	if bytes.Count(bytes.ToLower(raw), []byte("multipart/")) > maxNesting {
		m.Text = string(raw)
		return
	}
	r, err := mail.CreateReader(bytes.NewReader(raw))
	if r == nil {
		m.Text = string(raw)
		return
	}
	defer r.Close()
	if err != nil {
		m.Text = "(" + err.Error() + ")\n" // an unknown charset; the rest can be read
	}
	m.Headers = map[string][]string{}
	for f := r.Header.Fields(); f.Next(); {
		text, err := f.Text()
		if err != nil {
			text = f.Value()
		}
		m.Headers[f.Key()] = append(m.Headers[f.Key()], text)
	}
	if m.Subject, err = r.Header.Subject(); err != nil {
		m.Subject = r.Header.Get("Subject")
	}
	for {
		part, err := r.NextPart()
		if part == nil {
			return // the end, or the rest cannot be read
		}
		m.addPart(part)
		if err != nil && !gomessage.IsUnknownCharset(err) {
			return
		}
	}
}

// addPart appends a text part and names an attachment.
func (m *message) addPart(p *mail.Part) {
	switch h := p.Header.(type) {
	case *mail.InlineHeader:
		body, _ := io.ReadAll(io.LimitReader(p.Body, 1<<20))
		if kind, _, _ := h.ContentType(); kind == "text/html" {
			m.HTML += string(body)
			return
		}
		m.Text += string(body)
	case *mail.AttachmentHeader:
		name, _ := h.Filename()
		m.Text += fmt.Sprintf("\n(attachment %q)\n", name)
	}
}
