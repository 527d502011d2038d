package otlp

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/klauspost/compress/zstd"
)

// keepBody is the largest buffer that waits for another body.
const keepBody = 1 << 20

var (
	errLarge    = errors.New("body is too large")
	errEncoding = errors.New("content encoding is not supported, send gzip, zstd or none")
)

// read returns the decompressed body in a buffer that free takes back.
func (s *server) read(w http.ResponseWriter, r *http.Request) (_ *[]byte, err error) {
	from := io.Reader(http.MaxBytesReader(w, r.Body, int64(s.max)))
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, inflateError(err)
		}
		from = z
	case "zstd":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(s.max)), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, inflateError(err)
		}
		defer z.Close()
		from = z
	default:
		return nil, errEncoding
	}
	buf := s.bodies.Get().(*[]byte)
	*buf, err = fill((*buf)[:0], from, s.max)
	if err != nil {
		s.free(buf)
		return nil, inflateError(err)
	}
	return buf, nil
}

func (s *server) free(buf *[]byte) {
	if cap(*buf) <= keepBody {
		s.bodies.Put(buf)
	}
}

// fill appends what is read to b, up to limit bytes.
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
	if errors.Is(err, errLarge) {
		return err
	}
	return fmt.Errorf("read body: %w", err)
}
