package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"msctl.dev/msctl/contracts"
)

// bridge stands between the verifier and the provider: it sets states, makes the provider publish, makes
// calls, and sends requests on, so that it sees what the verifier does not tell apart.
type bridge struct {
	turns  *turns
	caller caller
	word   string // in every path: nobody else on the machine may set states
}

// refused is how the verifier is told that something cannot be: it tries again whatever is above.
const refused = http.StatusBadRequest

// maxBody bounds what the bridge reads of one message or answer.
const maxBody = 16 << 20

// handler serves states and messages.
func (b *bridge) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /"+b.word+"/state", b.state)
	mux.HandleFunc("POST /"+b.word+"/message", b.message)
	return mux
}

// state answers the verifier's wish for a state, or that one is over.
func (b *bridge) state(w http.ResponseWriter, r *http.Request) {
	in := struct {
		Action, State string
		Params        map[string]any
	}{}
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	var back params
	var err error
	switch id, _ := in.Params["id"].(string); {
	case in.State == turnState && in.Action == "teardown":
		err = b.turns.end(ctx)
	case in.State == turnState:
		err = b.turns.begin(ctx, id)
	case in.Action != "teardown":
		back, err = b.turns.set(ctx, in.State, in.Params)
	}
	if err != nil {
		http.Error(w, err.Error(), refused)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(back)
}

// message answers with the message that the provider publishes, or with what it answers to a call.
func (b *bridge) message(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, io.LimitReader(r.Body, maxBody)) // whose turn it is, is known
	i, p := b.turns.here()
	ctx, cancel := context.WithTimeout(r.Context(), b.turns.timeout+actionTime)
	defer cancel()
	body, metadata, err := b.produce(ctx, i, p)
	if err != nil {
		http.Error(w, err.Error(), refused)
		return
	}
	said, err := json.Marshal(metadata)
	if err != nil {
		http.Error(w, b.turns.fail(err).Error(), refused)
		return
	}
	w.Header().Set("Pact-Message-Metadata", base64.StdEncoding.EncodeToString(said))
	w.Header().Set("Content-Type", fmt.Sprint(metadata["contentType"]))
	w.Write(body)
}

func (b *bridge) produce(ctx context.Context, i one, p params) ([]byte, map[string]any, error) {
	if i.Kind == contracts.Call {
		ctx, cancel := context.WithTimeout(ctx, b.turns.timeout)
		defer cancel()
		got, err := b.caller.call(ctx, i.Interaction)
		if d := (*differs)(nil); errors.As(err, &d) {
			return nil, nil, b.turns.blame(err)
		}
		if not := (*unsupported)(nil); errors.As(err, &not) {
			return nil, nil, b.turns.fail(err)
		}
		if err != nil {
			return nil, nil, b.turns.lost(ctx, err)
		}
		return got.body, got.metadata, nil
	}
	trigger := b.turns.target.States.Messages[i.Description]
	exchange, key := b.turns.target.subject(i.Interaction, trigger)
	m, err := b.turns.target.capture(ctx, trigger, exchange, key, p, b.turns.timeout)
	if none := (*errNotLanded)(nil); errors.As(err, &none) {
		return nil, nil, b.turns.blame(err)
	}
	if err != nil {
		return nil, nil, b.turns.fail(fmt.Errorf("trigger %q: %w", i.Description, err))
	}
	return m.Body, described(m, exchange), nil
}

// forward sends requests to the provider on, and notes those that are not answered.
func (b *bridge) forward(to *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = to.Host
		},
		Transport: &http.Transport{Proxy: nil, DisableCompression: true, DisableKeepAlives: true},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			b.turns.lost(context.WithoutCancel(r.Context()), timeless(err))
			w.WriteHeader(http.StatusBadGateway)
		},
		ModifyResponse: func(resp *http.Response) error {
			body, err := readAll(resp.Body)
			resp.Body.Close()
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.TransferEncoding = nil
			return err
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), b.turns.timeout)
		defer cancel()
		proxy.ServeHTTP(w, r.WithContext(ctx))
	})
}

// readAll reads a whole answer; one that breaks off or has no end is none.
func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("its answer is over %d bytes", maxBody)
	}
	return body, err
}

// timeless makes one error of the several ways in which time is over.
func timeless(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return context.DeadlineExceeded
	}
	return err
}

// servers are servers of one verification, on loopback.
type servers struct {
	wg   sync.WaitGroup
	list []*http.Server
}

// serve opens a port on both loopbacks, where there are two: the verifier asks "localhost".
func (s *servers) serve(h http.Handler) (port int, err error) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port = ln.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.list = append(s.list, srv)
	s.wg.Go(func() { srv.Serve(ln) })
	if six, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", port)); err == nil {
		s.wg.Go(func() { srv.Serve(six) })
	}
	return port, nil
}

// close ends all servers and waits for them.
func (s *servers) close() {
	for _, srv := range s.list {
		srv.Close()
	}
	s.wg.Wait()
}

func secret() string { return rand.Text() }
