package embedded

import (
	"context"
	"errors"
	"time"

	nats "github.com/nats-io/nats-server/v2/server"
)

// runNATS serves NATS with JetStream, its streams kept in o.Dir.
func runNATS(ctx context.Context, o options) error {
	host, port, err := loopback(o.Addr)
	if err != nil {
		return err
	}
	s, err := nats.NewServer(&nats.Options{
		ServerName: "msctl", Host: host, Port: port, JetStream: true, StoreDir: o.Dir, NoSigs: true,
	})
	if err != nil {
		return err
	}
	s.SetLoggerV2(natsLog{o}, false, false, false)
	go s.Start() // ends with WaitForShutdown below
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(30*time.Second) && ctx.Err() == nil {
		return errors.New("not ready within 30s; its lines above say why")
	}
	stopped := make(chan struct{})
	go func() { s.WaitForShutdown(); close(stopped) }()
	select {
	case <-ctx.Done():
		return nil
	case <-stopped:
		return errors.New("it shut itself down; its lines above say why")
	}
}

// natsLog passes the server's own lines on.
type natsLog struct{ o options }

func (l natsLog) Noticef(format string, v ...any) { l.o.logf("[INF] "+format, v...) }
func (l natsLog) Warnf(format string, v ...any)   { l.o.logf("[WRN] "+format, v...) }
func (l natsLog) Errorf(format string, v ...any)  { l.o.logf("[ERR] "+format, v...) }
func (l natsLog) Fatalf(format string, v ...any)  { l.o.logf("[FTL] "+format, v...) }
func (l natsLog) Debugf(string, ...any)           {}
func (l natsLog) Tracef(string, ...any)           {}
