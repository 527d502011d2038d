package embedded

import (
	"context"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kfake"
)

// runKafka serves one Kafka broker, its topics kept in o.Dir. A topic is made when it is first used.
func runKafka(ctx context.Context, o options) error {
	_, port, err := loopback(o.Addr)
	if err != nil {
		return err
	}
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(port), kfake.DefaultNumPartitions(1), kfake.AllowAutoTopicCreation(),
		kfake.DataDir(o.Dir), kfake.WithLogger(kfake.BasicLogger(io.Discard, kfake.LogLevelNone)),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, o.Addr) }),
	)
	if err != nil {
		return err
	}
	defer c.Close()
	o.logf("kafka (kfake) ready on %s", o.Addr)
	<-ctx.Done()
	return nil
}
