package experiment

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// grpcProbe is what a service says of its own health.
type grpcProbe struct {
	service string
	port    string // listener; "" is grpc
	of      string // the gRPC service asked about; "" is the whole
	want    Want   // of SERVING, NOT_SERVING; the zero value is SERVING
}

func (p *grpcProbe) fields(r *reader) []field {
	return []field{{"grpc", r.text(&p.service)}, {"port", r.text(&p.port)}, {"of", r.text(&p.of)}, {"want", r.want(&p.want)}}
}

func (p *grpcProbe) needs() []need { return []need{{unit, p.service}} }

func (p *grpcProbe) look(ctx context.Context, w *world) Sight {
	port := p.port
	if port == "" {
		port = "grpc"
	}
	addr, err := w.address(ctx, p.service, port)
	if err != nil {
		return missed(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return missed(cannot{err})
	}
	defer conn.Close()
	res, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: p.of})
	if err != nil {
		return missed(err)
	}
	want := p.want
	if !want.Set() {
		want = Want{op: "=", value: "SERVING"}
	}
	return compared(res.GetStatus().String(), want)
}

// tcpProbe is that somebody listens.
type tcpProbe struct{ at string }

func (p *tcpProbe) fields(r *reader) []field { return []field{{"tcp", r.text(&p.at)}} }

func (p *tcpProbe) needs() []need { service, _ := p.parts(); return []need{{unit, service}} }

// parts are a service and its listener: "orders", "orders:grpc".
func (p *tcpProbe) parts() (service, port string) {
	host, port, err := net.SplitHostPort(p.at)
	if err != nil {
		return p.at, "http"
	}
	return host, port
}

func (p *tcpProbe) look(ctx context.Context, w *world) Sight {
	service, port := p.parts()
	addr, err := w.address(ctx, service, port)
	if err != nil {
		return missed(err)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return missed(err)
	}
	conn.Close()
	return held(addr)
}
