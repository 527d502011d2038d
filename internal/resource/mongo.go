package resource

import (
	"context"
	"errors"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/stack"
)

// Mongo is the document database. Its resources share one server: each is a database with a user of its
// own.
var Mongo = &Kind{
	Name:   "mongo",
	Doc:    "MongoDB, a document database; in a container or installed",
	Shared: true,
	Recipes: []*Recipe{
		{
			Name: "mongo", Runtime: InEngine, Images: []string{"mongo:8", "mongo:7", "mongo:6"},
			Listens: []stack.Listen{{Name: "mongo", Port: 27017}},
			unit: func(at site) (driver.Unit, error) {
				return driver.Unit{
					Image:  at.choice().Image,
					Env:    []string{"MONGO_INITDB_ROOT_USERNAME=" + admin, "MONGO_INITDB_ROOT_PASSWORD=" + at.password(admin)},
					Mounts: []driver.Mount{{Source: at.volume(), Target: "/data/db"}},
				}, nil
			},
			ready: mongoReady, prepare: mongoPrepare, endpoint: mongoEndpoint,
		},
		{
			Name: "mongo", Runtime: Native, Programs: []string{"mongod"},
			Packages: []Package{{"brew", "mongodb/brew/mongodb-community"}},
			Listens:  []stack.Listen{{Name: "mongo"}},
			unit: func(at site) (driver.Unit, error) {
				return at.native([]string{at.program("mongod"), "--dbpath", at.folder(), "--port", strconv.Itoa(at.port()),
					"--bind_ip", host, "--auth", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"}), nil
			},
			ready: mongoReady, prepare: mongoPrepare, endpoint: mongoEndpoint,
		},
	},
}

func mongoURL(at site, user, password, database string) string {
	return sqlURL("mongodb", user, password, at.addr(), database, "authSource="+database+"&directConnection=true")
}

func mongoEndpoint(at site, c Choice) Endpoint {
	name, password := sqlName(c.Resource.Name), at.password(c.Resource.Name)
	return Endpoint{
		URL:  mongoURL(at, name, password, name),
		Host: host, Port: at.port(), User: name, Password: password, Database: name,
	}
}

func mongoConnect(uri string) (*mongo.Client, error) {
	return mongo.Connect(options.Client().ApplyURI(uri).SetMaxPoolSize(2).SetDialer(&quick))
}

// mongoReady needs no user: a server with `--auth` answers a ping of anyone.
func mongoReady(ctx context.Context, at site) error {
	c, err := mongoConnect("mongodb://" + at.addr() + "/?directConnection=true")
	if err != nil {
		return err
	}
	defer c.Disconnect(context.WithoutCancel(ctx))
	return c.Ping(ctx, nil)
}

func mongoPrepare(ctx context.Context, at site, c Choice) error {
	if at.Recipe().Runtime == Native {
		if err := mongoAdmin(ctx, at); err != nil {
			return err
		}
	}
	db, err := mongoConnect(mongoURL(at, admin, at.password(admin), "admin"))
	if err != nil {
		return err
	}
	defer db.Disconnect(context.WithoutCancel(ctx))
	e := mongoEndpoint(at, c)
	return mongoUser(ctx, db.Database(e.Database), e.User, e.Password, "dbOwner")
}

// mongoAdmin makes the first user of an installed server, which needs none as long as there is none and
// one asks from this machine. Later the server refuses, and the user is there.
func mongoAdmin(ctx context.Context, at site) error {
	db, err := mongoConnect("mongodb://" + at.addr() + "/?directConnection=true")
	if err != nil {
		return err
	}
	defer db.Disconnect(context.WithoutCancel(ctx))
	err = mongoUser(ctx, db.Database("admin"), admin, at.password(admin), "root")
	var refused mongo.CommandError
	if errors.As(err, &refused) && refused.Code == 13 { // Unauthorized
		return nil
	}
	return err
}

// mongoUser makes a user with one role on its database, or sets its password.
func mongoUser(ctx context.Context, db *mongo.Database, name, password, role string) error {
	rest := bson.D{{Key: "pwd", Value: password}, {Key: "roles", Value: bson.A{role}}}
	err := db.RunCommand(ctx, append(bson.D{{Key: "createUser", Value: name}}, rest...)).Err()
	var exists mongo.CommandError
	if errors.As(err, &exists) && exists.Code == 51003 { // Location51003: the user is there
		return db.RunCommand(ctx, append(bson.D{{Key: "updateUser", Value: name}}, rest...)).Err()
	}
	return err
}
