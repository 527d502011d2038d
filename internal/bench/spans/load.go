package main

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"msctl.dev/msctl/internal/bench/proc"
)

// load is what both are given.
type load struct {
	*corpus
	o      options
	rounds int
}

// distinct is how many spans are encoded; the rest are the same at other times in other traces.
const distinct = 100_000

func newLoad(o options) *load {
	n := min(distinct, o.spans)
	rounds := (o.spans + n - 1) / n
	length := time.Duration(n/8) * apart // more than a round takes
	return &load{newCorpus(n, time.Now().Add(-time.Duration(rounds)*length-time.Minute)), o, rounds}
}

// trace is the id of a trace, the n-th of a round.
func (l *load) trace(round, n int) string {
	id := l.traces[n%len(l.traces)]
	binary.BigEndian.PutUint32(id[:], roundID(round))
	return hex.EncodeToString(id[:])
}

// send gives all spans to an OTLP/gRPC endpoint, and returns what was accepted in a second. A sender that is
// refused for now tries again.
func (l *load) send(ctx context.Context, addr string) (float64, error) {
	var next, accepted atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, l.o.conns)
	began := time.Now()
	for range l.o.conns {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				b := &l.batches[i%len(l.batches)]
				round := i / len(l.batches)
				if round >= l.rounds {
					return
				}
				if err := export(ctx, conn, b.round(round, l.length())); err != nil {
					failed <- err
					return
				}
				accepted.Add(int64(b.spans))
			}
		})
	}
	all.Wait()
	took := time.Since(began).Seconds()
	select {
	case err := <-failed:
		return 0, err
	default:
		return float64(accepted.Load()) / took, ctx.Err()
	}
}

func export(ctx context.Context, conn *grpc.ClientConn, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		var answer []byte
		err := conn.Invoke(ctx, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", &body, &answer)
		switch c := status.Code(err); {
		case c == codes.ResourceExhausted || c == codes.Unavailable:
			time.Sleep(2 * time.Millisecond)
		case err == nil && len(answer) > 2: // partial success
			return fmt.Errorf("some spans were rejected: %q", answer)
		default:
			return err
		}
	}
}

// raw is bytes that are encoded already.
type raw struct{}

func (raw) Name() string                    { return "proto" }
func (raw) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error { *v.(*[]byte) = append([]byte(nil), b...); return nil }

// settle waits until a process has done what it put off: until it has used no CPU for two seconds.
func settle(ctx context.Context, pid int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	last, calm := proc.CPU(pid), 0
	for calm < 4 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the spans to be stored: %w", ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
		calm++
		now := proc.CPU(pid)
		if now-last > 0.021 { // two ticks are housekeeping
			calm = 0
		}
		last = now
	}
	return nil
}
