package otlp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// grpcSender sends over OTLP/gRPC. It dials when the first request is sent, and again by itself.
type grpcSender struct {
	conn   *grpc.ClientConn
	header metadata.MD
}

func newGRPCSender(u *url.URL, header http.Header) (*grpcSender, error) {
	secure := insecure.NewCredentials()
	if u.Scheme == "grpcs" {
		secure = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(secure),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.UseCompressor(gzip.Name)))
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", u.Host, err)
	}
	s := &grpcSender{conn: conn, header: metadata.MD{}}
	for k, v := range header {
		s.header[strings.ToLower(k)] = v
	}
	return s, nil
}

func (s *grpcSender) send(ctx context.Context, p parcel) error {
	var answer mem.Buffer
	ctx = metadata.NewOutgoingContext(ctx, s.header)
	err := s.conn.Invoke(ctx, "/"+signals[p.sig].service+"/Export", &p.body, &answer)
	if answer != nil {
		answer.Free()
	}
	return transient(err)
}

func (s *grpcSender) close() error { return s.conn.Close() }
