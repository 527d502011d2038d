package resource_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/smtp"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var rabbitClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withRabbit(e, func(ch *amqp.Channel) error {
			if _, err := ch.QueueDeclare(key, true, false, false, false, nil); err != nil {
				return err
			}
			if err := ch.Confirm(false); err != nil {
				return err
			}
			sent, err := ch.PublishWithDeferredConfirm("", key, true, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(value)})
			if err != nil {
				return err
			}
			_, err = sent.WaitContext(ctx)
			return err
		})
	},
	read: func(_ context.Context, e end, key string) (value string, err error) {
		err = withRabbit(e, func(ch *amqp.Channel) error {
			m, ok, err := ch.Get(key, false)
			if err != nil || !ok {
				return err
			}
			value = string(m.Body)
			return m.Nack(false, true)
		})
		return value, err
	},
}

func withRabbit(e end, f func(*amqp.Channel) error) error {
	c, err := amqp.Dial(e.URL)
	if err != nil {
		return err
	}
	defer c.Close()
	ch, err := c.Channel()
	if err != nil {
		return err
	}
	return f(ch)
}

var mysqlClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withMySQL(e, func(db *sql.DB) error {
			if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS kv (k VARCHAR(50) PRIMARY KEY, v TEXT)"); err != nil {
				return err
			}
			_, err := db.ExecContext(ctx, "REPLACE INTO kv VALUES (?, ?)", key, value)
			return err
		})
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		err = withMySQL(e, func(db *sql.DB) error {
			err := db.QueryRowContext(ctx, "SELECT v FROM kv WHERE k = ?", key).Scan(&value)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			return err
		})
		return value, err
	},
}

func withMySQL(e end, f func(*sql.DB) error) error {
	u, err := url.Parse(e.URL)
	if err != nil {
		return err
	}
	c := mysql.NewConfig()
	c.Net, c.Addr, c.DBName, c.User = "tcp", u.Host, strings.TrimPrefix(u.Path, "/"), u.User.Username()
	c.Passwd, _ = u.User.Password()
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	return f(db)
}

var kafkaClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(e.URL, "kafka://")), kgo.AllowAutoTopicCreation())
		if err != nil {
			return err
		}
		defer c.Close()
		return c.ProduceSync(ctx, &kgo.Record{Topic: "keys", Key: []byte(key), Value: []byte(value)},
			&kgo.Record{Topic: "keys", Key: []byte("end")}).FirstErr()
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		c, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(e.URL, "kafka://")), kgo.ConsumeTopics("keys"))
		if err != nil {
			return "", err
		}
		defer c.Close()
		for {
			fs := c.PollFetches(ctx)
			if err := fs.Err(); err != nil {
				return "", err
			}
			last := ""
			fs.EachRecord(func(r *kgo.Record) {
				if last = string(r.Key); last == key {
					value = string(r.Value)
				}
			})
			if last == "end" {
				return value, nil
			}
		}
	},
}

var mongoClient = client{
	write: func(ctx context.Context, e end, key, value string) error {
		return withMongo(ctx, e, func(c *mongo.Collection) error {
			_, err := c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: key}}, bson.D{{Key: "v", Value: value}}, options.Replace().SetUpsert(true))
			return err
		})
	},
	read: func(ctx context.Context, e end, key string) (value string, err error) {
		err = withMongo(ctx, e, func(c *mongo.Collection) error {
			var doc struct{ V string }
			err := c.FindOne(ctx, bson.D{{Key: "_id", Value: key}}).Decode(&doc)
			if value = doc.V; errors.Is(err, mongo.ErrNoDocuments) {
				return nil
			}
			return err
		})
		return value, err
	},
}

func withMongo(ctx context.Context, e end, f func(*mongo.Collection) error) error {
	c, err := mongo.Connect(options.Client().ApplyURI(e.URL))
	if err != nil {
		return err
	}
	defer c.Disconnect(ctx)
	return f(c.Database(e.Database).Collection("kv"))
}

// smtpClient sends a mail with the key as its subject, and finds it in the mailbox.
var smtpClient = client{
	write: func(_ context.Context, e end, key, value string) error {
		mail := fmt.Sprintf("Subject: %s\r\nFrom: a@example.com\r\nTo: b@example.com\r\n\r\n%s\r\n", key, value)
		return smtp.SendMail(strings.TrimPrefix(e.URL, "smtp://"), nil, "a@example.com", []string{"b@example.com"}, []byte(mail))
	},
	read: func(ctx context.Context, e end, key string) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/messages", e.ports["http"]), nil)
		if err != nil {
			return "", err
		}
		req.Close = true
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		var messages []struct{ Subject, Text string }
		if err := json.NewDecoder(resp.Body).Decode(&messages); err != nil {
			return "", err
		}
		for _, m := range messages {
			if m.Subject == key {
				return strings.TrimSpace(m.Text), nil
			}
		}
		return "", nil
	},
}
