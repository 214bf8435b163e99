// Watermill's Redis streams with empty messages: fill N, work SUBSCRIBERS.
package main

import (
	"context"
	"log"
	"os"
	"strconv"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"weir.example/peers/tally"
)

var client = redis.NewClient(&redis.Options{Network: "unix", Addr: os.Getenv("PEERS_SOCKET"), PoolSize: 256})

func fill(n int) error {
	publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: client}, nil)
	if err != nil {
		return err
	}
	defer publisher.Close()
	for range n {
		if err := publisher.Publish("jobs", message.NewMessage(watermill.NewUUID(), tally.Payload())); err != nil {
			return err
		}
	}
	return nil
}

// A subscriber hands out one message at a time, so several of them are what is concurrent.
func subscribe() error {
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: client, ConsumerGroup: "workers"}, nil)
	if err != nil {
		return err
	}
	messages, err := subscriber.Subscribe(context.Background(), "jobs")
	if err != nil {
		return err
	}
	go func() {
		for message := range messages {
			tally.Begin()
			tally.End()
			message.Ack()
		}
	}()
	return nil
}

func work(subscribers int) error {
	for range subscribers {
		if err := subscribe(); err != nil {
			return err
		}
	}
	select {}
}

func main() {
	number, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = map[string]func(int) error{"fill": fill, "work": work}[os.Args[1]](number)
	}
	if err != nil {
		log.Fatal(err)
	}
}
