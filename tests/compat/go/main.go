// SPDX-License-Identifier: BSD-3-Clause

// Jobs for go-redis: `go_jobs list` prints their sentences, `go_jobs HOST PORT NUMBER` does one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

type job struct {
	sentence string
	run      func(ctx context.Context, client *redis.Client)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func equal(found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("found %#v, expected %#v", found, expected))
	}
}

func dataTypes(ctx context.Context, c *redis.Client) {
	equal(must(c.Set(ctx, "key", "value", time.Minute).Result()), "OK")
	equal(must(c.Get(ctx, "key").Result()), "value")
	_, err := c.Get(ctx, "none").Result()
	equal(errors.Is(err, redis.Nil), true)
	equal(must(c.HSet(ctx, "hash", "a", 1, "b", "two").Result()), int64(2))
	equal(must(c.HGetAll(ctx, "hash").Result()), map[string]string{"a": "1", "b": "two"})
	equal(must(c.RPush(ctx, "list", 1, 2, 3).Result()), int64(3))
	equal(must(c.LRange(ctx, "list", 0, -1).Result()), []string{"1", "2", "3"})
	equal(must(c.SAdd(ctx, "set", "x", "y").Result()), int64(2))
	equal(must(c.SMembersMap(ctx, "set").Result()), map[string]struct{}{"x": {}, "y": {}})
	equal(must(c.ZAdd(ctx, "board", redis.Z{Score: 1, Member: "a"}, redis.Z{Score: 2.5, Member: "b"}).Result()), int64(2))
	equal(must(c.ZRangeWithScores(ctx, "board", 0, -1).Result()), []redis.Z{{Score: 1, Member: "a"}, {Score: 2.5, Member: "b"}})
	id := must(c.XAdd(ctx, &redis.XAddArgs{Stream: "stream", Values: []any{"field", "value"}}).Result())
	equal(must(c.XGroupCreate(ctx, "stream", "group", "0").Result()), "OK")
	read := must(c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "group", Consumer: "me", Streams: []string{"stream", ">"}, Count: 10}).Result())
	equal(read[0].Messages[0].ID, id)
	equal(must(c.XAck(ctx, "stream", "group", id).Result()), int64(1))
}

func transactions(ctx context.Context, c *redis.Client) {
	increment := func(tx *redis.Tx) error {
		n, err := tx.Get(ctx, "counter").Int()
		if err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "counter", n+1, 0)
			return nil
		})
		return err
	}
	var wait sync.WaitGroup
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for done := 0; done < 25; {
				err := c.Watch(ctx, increment, "counter")
				if err == nil {
					done++
				} else if !errors.Is(err, redis.TxFailedErr) {
					panic(err)
				}
			}
		}()
	}
	wait.Wait()
	equal(must(c.Get(ctx, "counter").Int()), 200)
}

func blocking(ctx context.Context, c *redis.Client) {
	result := make(chan []string)
	go func() { result <- must(c.BLPop(ctx, 10*time.Second, "first", "second").Result()) }()
	time.Sleep(50 * time.Millisecond)
	must(c.RPush(ctx, "second", "job").Result())
	equal(<-result, []string{"second", "job"})
}

func pubsub(ctx context.Context, c *redis.Client) {
	sub := c.PSubscribe(ctx, "news.*")
	defer sub.Close()
	must(sub.Receive(ctx))
	for i := 0; i < 100; i++ {
		must(c.Publish(ctx, "news.go", i).Result())
	}
	messages := sub.Channel()
	for i := 0; i < 100; i++ {
		message := <-messages
		equal([]string{message.Channel, message.Payload}, []string{"news.go", fmt.Sprint(i)})
	}
}

func scripts(ctx context.Context, c *redis.Client) {
	script := redis.NewScript(`local n = redis.call("INCRBY", KEYS[1], ARGV[1]) return {n, "text", false, {1, 2}}`)
	equal(must(script.Run(ctx, c, []string{"n"}, 5).Result()), []any{int64(5), "text", nil, []any{int64(1), int64(2)}})
	equal(must(script.Run(ctx, c, []string{"n"}, 5).Slice())[0], int64(10))
}

func pipelines(ctx context.Context, c *redis.Client) {
	results := must(c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := 0; i < 1000; i++ {
			pipe.Set(ctx, fmt.Sprint("key:", i), i, 0)
			pipe.Get(ctx, fmt.Sprint("key:", i))
		}
		return nil
	}))
	for i := 0; i < 1000; i++ {
		equal(results[2*i+1].(*redis.StringCmd).Val(), fmt.Sprint(i))
	}
}

var jobs = []job{
	{"uses every data type", dataTypes},
	{"counts in optimistic transactions of eight goroutines", transactions},
	{"blocks until another connection pushes", blocking},
	{"gets what is published to a pattern, in order", pubsub},
	{"runs scripts", scripts},
	{"pipelines", pipelines},
}

func main() {
	if os.Args[1] == "list" {
		for _, j := range jobs {
			fmt.Println(j.sentence)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: os.Args[1] + ":" + os.Args[2], PoolSize: 20})
	must(client.FlushAll(ctx).Result())
	var number int
	must(fmt.Sscan(os.Args[3], &number))
	jobs[number].run(ctx, client)
}
