package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Bounds of what waits to be passed on, and of one attempt.
const (
	forwardBytes   = 8 << 20
	forwardTries   = 3
	forwardTime    = 10 * time.Second
	forwardPause   = time.Second // before the second try; twice that before the third
	forwardLongest = 5 * time.Second
)

// forwarder passes requests on in the background. It never holds up who adds to it: what does not fit in
// its queue is dropped and counted.
type forwarder struct {
	to     sender
	counts *counters
	log    *slog.Logger

	mu    sync.Mutex
	queue []parcel
	bytes int           // of queue
	ready chan struct{} // holds one token when queue may have something
	lost  bool          // the last request was not taken: said once in the log
}

type parcel struct {
	sig  signal
	body []byte
}

// sender sends one request. An error of retry may be tried again.
type sender interface {
	send(ctx context.Context, p parcel) error
	close() error
}

// retry is an error that may go away by itself.
type retry struct {
	error
	after time.Duration // 0: not said
}

// CheckForward says what is wrong with a value of [Receiver.Forward] that is not "".
func CheckForward(target string) error {
	_, err := readTarget(target)
	return err
}

func readTarget(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("forward to %q: want a URL like http://host:4318 or grpc://host:4317", target)
	}
	switch u.Scheme {
	case "http", "https", "grpc", "grpcs":
		return u, nil
	}
	return nil, fmt.Errorf("forward to %q: unknown scheme, want http, https, grpc or grpcs", target)
}

func newForwarder(target string, header http.Header, counts *counters, log *slog.Logger) (*forwarder, error) {
	u, err := readTarget(target)
	if err != nil {
		return nil, err
	}
	f := &forwarder{counts: counts, log: log, ready: make(chan struct{}, 1)}
	if strings.HasPrefix(u.Scheme, "grpc") {
		f.to, err = newGRPCSender(u, header)
		return f, err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 2}}
	f.to = &httpSender{base: strings.TrimSuffix(target, "/"), header: header, client: client}
	return f, nil
}

// add takes a copy of body.
func (f *forwarder) add(sig signal, body []byte) {
	f.mu.Lock()
	full := f.bytes+len(body) > forwardBytes
	if !full {
		f.queue = append(f.queue, parcel{sig, bytes.Clone(body)})
		f.bytes += len(body)
	}
	f.mu.Unlock()
	if full {
		f.counts.dropped.Add(1)
		return
	}
	select {
	case f.ready <- struct{}{}:
	default:
	}
}

func (f *forwarder) next() (parcel, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		f.queue = nil
		return parcel{}, false
	}
	p := f.queue[0]
	f.queue[0] = parcel{}
	f.queue = f.queue[1:]
	f.bytes -= len(p.body)
	return p, true
}

// run sends what is added until ctx ends, and then for a short while what is left.
func (f *forwarder) run(ctx context.Context) error {
	defer f.to.close()
	for {
		select {
		case <-f.ready:
			f.drain(ctx)
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
			defer cancel()
			f.drain(last)
			return nil
		}
	}
}

// drain sends all that waits. When ctx ends it counts the rest as dropped.
func (f *forwarder) drain(ctx context.Context) {
	for p, ok := f.next(); ok; p, ok = f.next() {
		if err := f.deliver(ctx, p); err != nil {
			f.counts.dropped.Add(1)
			f.say(err)
			continue
		}
		f.counts.forwarded.Add(1)
		f.lost = false
	}
}

func (f *forwarder) say(err error) {
	if !f.lost {
		f.log.Warn("telemetry not passed on", "err", err)
	}
	f.lost = true
}

// deliver sends one request, a few times when that may help.
func (f *forwarder) deliver(ctx context.Context, p parcel) error {
	pause := forwardPause
	for try := 1; ; try++ {
		err := f.once(ctx, p)
		again, transient := err.(retry)
		if err == nil || !transient || try == forwardTries {
			return err
		}
		wait := min(max(pause, again.after), forwardLongest)
		pause *= 2
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
}

func (f *forwarder) once(ctx context.Context, p parcel) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, forwardTime)
	defer cancel()
	return f.to.send(ctx, p)
}

// httpSender sends over OTLP/HTTP.
type httpSender struct {
	base   string // of the URL, before /v1/…
	header http.Header
	client *http.Client
}

func (h *httpSender) send(ctx context.Context, p parcel) error {
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write(p.body)
	z.Close()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base+signals[p.sig].path, &body)
	if err != nil {
		return err
	}
	if h.header != nil {
		req.Header = h.header.Clone()
	}
	req.Header.Set("Content-Type", asProto)
	req.Header.Set("Content-Encoding", "gzip")
	res, err := h.client.Do(req)
	if err != nil {
		return retry{error: err}
	}
	defer res.Body.Close()
	io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return retry{fmt.Errorf("post %s: %s", req.URL.Redacted(), res.Status), time.Duration(min(max(seconds, 0), 60)) * time.Second}
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("post %s: %s", req.URL.Redacted(), res.Status)
	}
	return nil
}

func (h *httpSender) close() error {
	h.client.CloseIdleConnections()
	return nil
}

// transient says which codes of gRPC OTLP lets a sender try again.
func transient(err error) error {
	switch status.Code(err) {
	case codes.OK:
		return nil
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss, codes.ResourceExhausted:
		return retry{error: err}
	}
	return err
}
