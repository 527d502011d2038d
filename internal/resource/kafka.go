package resource

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Kafka is the event log. Each resource has a broker of its own: topics have no name space.
var Kafka = &Kind{
	Name: "kafka",
	Doc:  "Apache Kafka, an event log; embedded: kfake, one broker in Go that keeps its data over restarts",
	Recipes: []*Recipe{
		{
			Name: "kafka", Runtime: InEngine, Images: []string{"apache/kafka:4.1.0", "apache/kafka:4.0.0", "apache/kafka:3.9.1"},
			Listens: []stack.Listen{{Name: "kafka", Port: 9092}},
			unit:    kafkaContainer, ready: kafkaReady, endpoint: kafkaEndpoint,
		},
		{
			Name: "kafka", Runtime: Embedded, Listens: []stack.Listen{{Name: "kafka"}},
			unit: func(at site) (driver.Unit, error) {
				return at.embedded("kafka", "--addr", at.addr(), "--dir", at.folder()), nil
			},
			ready: kafkaReady, endpoint: kafkaEndpoint,
		},
	},
}

// kafkaContainer is one node that is broker and controller. It tells its clients the port on this
// machine, and has a second listener to speak to itself.
func kafkaContainer(at site) (driver.Unit, error) {
	return driver.Unit{
		Image: at.choice().Image,
		Env: []string{
			"KAFKA_NODE_ID=1",
			"KAFKA_PROCESS_ROLES=broker,controller",
			"KAFKA_LISTENERS=OUTSIDE://:9092,INSIDE://:19092,CONTROLLER://:9093",
			"KAFKA_ADVERTISED_LISTENERS=OUTSIDE://" + at.addr() + ",INSIDE://localhost:19092",
			"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"KAFKA_INTER_BROKER_LISTENER_NAME=INSIDE",
			"KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER",
			"KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093",
			"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1",
			"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1",
			"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1",
			"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0",
			"KAFKA_LOG_DIRS=/var/lib/kafka/data",
			"KAFKA_HEAP_OPTS=-Xms128m -Xmx512m",
		},
		Mounts: []driver.Mount{{Source: at.volume(), Target: "/var/lib/kafka/data"}},
	}, nil
}

func kafkaEndpoint(at site, _ Choice) Endpoint {
	return Endpoint{URL: fmt.Sprintf("kafka://%s", at.addr()), Host: host, Port: at.port()}
}

func kafkaReady(ctx context.Context, at site) error {
	c, err := kgo.NewClient(kgo.SeedBrokers(at.addr()), kgo.RequestRetries(0), kgo.Dialer(quick.DialContext))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ping(ctx)
}
