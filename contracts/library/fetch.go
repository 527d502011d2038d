package library

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	answerWithin = 20 * time.Second // until a registry says anything
	stalledAfter = 30 * time.Second // without a byte
)

// fetch reads what a URL has, at most [maxPackage]. It gives up on a registry that says nothing.
func fetch(ctx context.Context, url string, progress func(done, of int64)) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetch %s: %v", url, err)
	}
	client := http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: answerWithin}).DialContext,
		TLSHandshakeTimeout:   answerWithin,
		ResponseHeaderTimeout: answerWithin,
		DisableKeepAlives:     true,
	}}
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err) // it names the URL
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch %s: it answers %s", url, answer.Status)
	}
	stall := time.AfterFunc(stalledAfter, func() { cancel(errors.New("nothing arrives any more")) })
	defer stall.Stop()
	var body bytes.Buffer
	in := io.TeeReader(answer.Body, &arrival{stall: stall, of: answer.ContentLength, progress: progress})
	if _, err = body.ReadFrom(io.LimitReader(in, maxPackage+1)); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("fetch %s: %w", url, err)
	}
	if body.Len() > maxPackage {
		return nil, fmt.Errorf("fetch %s: it has more than %d MiB", url, maxPackage>>20)
	}
	return body.Bytes(), nil
}

// arrival counts what arrives, and puts off the moment at which the fetch is given up.
type arrival struct {
	done, of int64
	stall    *time.Timer
	progress func(done, of int64)
}

func (a *arrival) Write(p []byte) (int, error) {
	a.stall.Reset(stalledAfter)
	a.done += int64(len(p))
	if a.progress != nil {
		a.progress(a.done, a.of)
	}
	return len(p), nil
}
