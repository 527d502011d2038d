package otlp

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"
)

// smallBody is the size up to which a body is read at once, into a buffer that waits for another.
const smallBody = 256 << 10

var (
	errLarge    = errors.New("body is too large")
	errBusy     = errors.New("too many large bodies at once")
	errEncoding = errors.New("content encoding is not supported, send gzip, zstd or none")
)

// body is what was sent, decompressed.
type body struct {
	bytes  []byte
	buffer *[]byte // of server.buffers; nil: it is small. Otherwise it holds a place in server.large
}

// read reads a whole body. The caller hands it to free.
func (s *server) read(w http.ResponseWriter, r *http.Request) (*body, error) {
	from, done, err := s.inflate(w, r)
	if err != nil {
		return nil, inflateError(err)
	}
	defer done()
	b := s.bodies.Get().(*body)
	b.bytes, err = fill(b.bytes[:0], from, min(s.max, smallBody))
	if err == errLarge && s.max > smallBody {
		err = s.readOn(r.Context(), b, from)
	}
	if err != nil {
		s.free(b)
		return nil, inflateError(err)
	}
	return b, nil
}

// readOn goes on with a large body once there are few enough of them.
func (s *server) readOn(ctx context.Context, b *body, from io.Reader) (err error) {
	wait := time.NewTimer(s.timeout / 2)
	defer wait.Stop()
	select {
	case s.large <- struct{}{}:
	case <-wait.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
	start := b.bytes
	b.buffer = s.buffers.Get().(*[]byte)
	b.bytes, err = fill(append((*b.buffer)[:0], start...), from, s.max)
	return err
}

func (s *server) free(b *body) {
	if b.buffer == nil {
		s.bodies.Put(b)
		return
	}
	s.buffers.Put(b.buffer)
	<-s.large
}

// inflate returns what decompresses a body, and what to call when it was read.
func (s *server) inflate(w http.ResponseWriter, r *http.Request) (io.Reader, func(), error) {
	from := http.MaxBytesReader(w, r.Body, int64(s.max))
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
		return from, func() {}, nil
	case "gzip":
		z, err := gzip.NewReader(from)
		return z, func() {}, err
	case "zstd":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(s.max)), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return nil, nil, errEncoding
}

// fill appends what is read to b, until that has more than limit bytes.
func fill(b []byte, from io.Reader, limit int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(4<<10, min(len(b), limit+1-len(b))))...)[:len(b)]
		}
		n, err := from.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, errLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		}
	}
}

func inflateError(err error) error {
	var tooMany *http.MaxBytesError
	if errors.As(err, &tooMany) || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return errLarge
	}
	for _, known := range []error{errLarge, errBusy, errEncoding} {
		if errors.Is(err, known) {
			return err
		}
	}
	return fmt.Errorf("read body: %w", err)
}
