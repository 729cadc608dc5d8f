package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	api "github.com/tule-cloud/tule/api/cloudtrail"
	dynamodbapi "github.com/tule-cloud/tule/api/dynamodb"
	iamapi "github.com/tule-cloud/tule/api/iam"
	logsapi "github.com/tule-cloud/tule/api/logs"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/script"
	"github.com/tule-cloud/tule/store"
)

// logging makes a trail that logs.
func logging(t *testing.T, s *Service, h *script.House, in *api.CreateTrailRequest) {
	t.Helper()
	if in.S3BucketName == nil {
		in.S3BucketName = new("logs")
	}
	ctx := h.Context(t.Context())
	if _, err := s.createTrail(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := s.startLogging(ctx, &api.StartLoggingRequest{Name: in.Name}); err != nil {
		t.Fatal(err)
	}
}

// happen records the creation of log groups, in a region.
func happen(t *testing.T, s *Service, h *script.House, region string, ids ...string) {
	for _, id := range ids {
		r := request(h, id, userAnn())
		r.Region = region
		s.Record(t.Context(), &aws.Event{Request: r, Op: &logsapi.CreateLogGroup.Operation, In: &logsapi.CreateLogGroupRequest{LogGroupName: &id},
			Decisions: []aws.Decision{allowed("logs:CreateLogGroup", "arn:aws:logs:"+region+":000000000000:log-group:"+id)}})
		h.Clock.Advance(time.Second)
	}
}

func deliver(t *testing.T, s *Service) {
	t.Helper()
	if err := s.deliverAll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, o object) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(o.body))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// delivered are the request ids in the files of the bucket, by file, in order.
func (n *neighbours) delivered(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for key, o := range n.objects {
		if strings.HasSuffix(key, "/") || strings.Contains(key, "Digest") {
			continue
		}
		var file struct{ Records []struct{ RequestID string } }
		if err := json.Unmarshal(unpack(t, o), &file); err != nil {
			t.Fatal(err)
		}
		for _, r := range file.Records {
			out[key] = append(out[key], r.RequestID)
		}
	}
	return out
}

// ids are all request ids that were delivered, sorted.
func (n *neighbours) ids(t *testing.T) string {
	t.Helper()
	return strings.Join(slices.Sorted(func(yield func(string) bool) {
		for _, ids := range n.delivered(t) {
			for _, id := range ids {
				if !yield(id) {
					return
				}
			}
		}
	}), " ")
}

// A file has AWS's name and form, and the events as a lookup has them; it is told of, and
// written to the log group; CloudTrail itself brings it, for the trail.
func TestDelivery(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main"), S3KeyPrefix: new("all"), SnsTopicName: new("news"),
		CloudWatchLogsLogGroupArn: new("arn:aws:logs:us-east-1:000000000000:log-group:audit:*"), CloudWatchLogsRoleArn: new("arn:aws:iam::000000000000:role/logger")})
	happen(t, s, h, "us-east-1", "r1", "r2", "r3")
	deliver(t, s)
	deliver(t, s) // nothing waits
	files := n.delivered(t)
	key := slices.Collect(maps.Keys(files))
	form := regexp.MustCompile(`^logs/all/AWSLogs/000000000000/CloudTrail/us-east-1/2026/01/02/000000000000_CloudTrail_us-east-1_20260102T0304Z_[A-Za-z0-9]{16}\.json\.gz$`)
	if len(key) != 1 || !form.MatchString(key[0]) || strings.Join(files[key[0]], " ") != "r1 r2 r3" {
		t.Fatalf("delivered %v", files)
	}
	var file struct{ Records []json.RawMessage }
	if err := json.Unmarshal(unpack(t, n.objects[key[0]]), &file); err != nil {
		t.Fatal(err)
	}
	found, err := s.lookupEvents(h.Context(t.Context()), &api.LookupEventsRequest{})
	if err != nil || *found.Events[2].CloudTrailEvent != string(file.Records[0]) {
		t.Errorf("a lookup has %v (%v), the file %s", found, err, file.Records[0])
	}
	name := strings.TrimPrefix(key[0], "logs/")
	if want := `{"s3Bucket":"logs","s3ObjectKey":["` + name + `"]}`; n.messages[1] != want || n.messages[0] != "CloudTrail validation message." {
		t.Errorf("told %q", n.messages)
	}
	if got := n.lines["audit/000000000000_CloudTrail_us-east-1"]; len(got) != 3 || got[0] != string(file.Records[0]) {
		t.Errorf("the log has %q", got)
	}
	for _, c := range n.seen {
		if c.ARN != principal || c.SourceARN != "arn:aws:cloudtrail:us-east-1:000000000000:trail/main" || c.SourceAccount != account {
			t.Errorf("put by %+v", c)
		}
	}
	st, err := s.getTrailStatus(h.Context(t.Context()), &api.GetTrailStatusRequest{Name: new("main")})
	if err != nil || st.LatestDeliveryTime == nil || st.LatestDeliveryError != nil || st.LatestNotificationTime == nil || st.LatestCloudWatchLogsDeliveryTime == nil {
		t.Errorf("the status is %+v, %v", st, err)
	}
}

// Many events become several files, each of them once.
func TestDeliveryInParts(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main")})
	e := list(h, "r")
	for range maxFileEvents + 7 {
		s.Record(t.Context(), e)
	}
	deliver(t, s)
	files := n.delivered(t)
	sizes := map[int]int{}
	for _, ids := range files {
		sizes[len(ids)]++
	}
	if len(files) != 2 || sizes[maxFileEvents] != 1 || sizes[7] != 1 {
		t.Errorf("files of %v", sizes)
	}
}

// A kill between a file's arrival and its being noted repeats that file, under its name,
// with its bytes, whatever has come since; and loses nothing.
func TestDeliveryKilled(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main"), EnableLogFileValidation: new(true)})
	happen(t, s, h, "us-east-1", "r1", "r2")
	if err := s.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := &failing{Store: h.Store}
	s.Store = dying{st, n, 1}
	if err := s.deliverAll(t.Context()); err == nil {
		t.Fatal("the store took everything")
	}
	before := maps.Clone(n.objects)
	if got := n.ids(t); got != "r1 r2" {
		t.Fatalf("before the kill %s", got)
	}

	s, n = n.trailing(h) // another life
	happen(t, s, h, "us-east-1", "r3")
	h.Clock.Advance(time.Hour)
	deliver(t, s)
	if got := n.ids(t); got != "r1 r2 r3" {
		t.Errorf("delivered %s", got)
	}
	for key, o := range before {
		if !bytes.Equal(n.objects[key].body, o.body) {
			t.Errorf("%s has changed", key)
		}
	}
	checkChain(t, s, n, h, 1, 2)
}

// dying is a store that fails when a file has been put into the bucket.
type dying struct {
	*failing
	n     *neighbours
	files int
}

func (d dying) Update(ctx context.Context, fn func(store.Tx) error) error {
	d.n.mu.Lock()
	put := 0
	for _, key := range d.n.puts {
		if !strings.HasSuffix(key, "/") {
			put++
		}
	}
	d.n.mu.Unlock()
	if put >= d.files {
		return store.ErrFailed
	}
	return d.failing.Update(ctx, fn)
}

// What a bucket refuses waits, the status says why, and it comes when the bucket lets it.
func TestDeliveryRefused(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main")})
	logging(t, s, h, &api.CreateTrailRequest{Name: new("twin"), S3KeyPrefix: new("twin")})
	happen(t, s, h, "us-east-1", "r1")
	n.refuse = aws.Errorf(403, "AccessDenied", "no")
	deliver(t, s)
	st, err := s.getTrailStatus(h.Context(t.Context()), &api.GetTrailStatusRequest{Name: new("main")})
	if err != nil || aws.Value(st.LatestDeliveryError) != "AccessDenied" || st.LatestDeliveryTime != nil || *st.LatestDeliveryAttemptSucceeded != "" {
		t.Errorf("the status is %+v, %v", st, err)
	}
	n.refuse = nil
	happen(t, s, h, "us-east-1", "r2")
	deliver(t, s)
	if got := n.ids(t); got != "r1 r1 r2 r2" {
		t.Errorf("delivered %s", got)
	}
	if st, err = s.getTrailStatus(h.Context(t.Context()), &api.GetTrailStatusRequest{Name: new("main")}); err != nil || st.LatestDeliveryError != nil {
		t.Errorf("the status is %+v, %v", st, err)
	}
}

// A trail that is stopped delivers what it has kept, and keeps nothing more; one that is
// deleted delivers nothing, and leaves nothing behind.
func TestDeliveryEnds(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main"), EnableLogFileValidation: new(true)})
	logging(t, s, h, &api.CreateTrailRequest{Name: new("gone"), S3KeyPrefix: new("gone"), EnableLogFileValidation: new(true)})
	happen(t, s, h, "us-east-1", "r1")
	ctx := h.Context(t.Context())
	if _, err := s.stopLogging(ctx, &api.StopLoggingRequest{Name: new("main")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.deleteTrail(ctx, &api.DeleteTrailRequest{Name: new("gone")}); err != nil {
		t.Fatal(err)
	}
	happen(t, s, h, "us-east-1", "r2")
	deliver(t, s)
	if got := n.ids(t); got != "r1" {
		t.Errorf("delivered %s", got)
	}
	err := h.Store.View(t.Context(), func(r store.Reader) error {
		for e, err := range streams.All(t.Context(), r) {
			if err != nil || e.Key.String(1) == "gone" {
				t.Errorf("left behind: %v, %v", e.Key, err)
			}
		}
		for e, err := range waiting.All(t.Context(), r) {
			t.Errorf("left behind: %v, %v", e.Key, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A trail of one region has the events of that alone; one of all regions has each in its
// folder; those of global services belong to us-east-1.
func TestDeliveryRegions(t *testing.T) {
	for name, c := range map[string]struct {
		in   api.CreateTrailRequest
		want string
	}{
		"one region":     {api.CreateTrailRequest{}, "r-east r-iam"},
		"without global": {api.CreateTrailRequest{IncludeGlobalServiceEvents: new(false)}, "r-east"},
		"all regions":    {api.CreateTrailRequest{IsMultiRegionTrail: new(true)}, "r-east r-iam r-west"},
	} {
		t.Run(name, func(t *testing.T) {
			s, n, h := trailHouse(t)
			c.in.Name = new("main")
			logging(t, s, h, &c.in)
			happen(t, s, h, "us-east-1", "r-east")
			happen(t, s, h, "eu-west-1", "r-west")
			west := request(h, "r-iam", userAnn())
			west.Region = "eu-west-1"
			s.Record(t.Context(), &aws.Event{Request: west, Op: &iamapi.ListUsers.Operation, Decisions: []aws.Decision{allowed("iam:ListUsers", "*")}})
			deliver(t, s)
			if got := n.ids(t); got != c.want {
				t.Errorf("delivered %s", got)
			}
			for key, ids := range n.delivered(t) {
				if strings.Contains(key, "/eu-west-1/") != slices.Contains(ids, "r-west") {
					t.Errorf("%s has %v", key, ids)
				}
			}
		})
	}
}

// A data event is kept for the trails that want it, and is in no lookup.
func TestDeliveryOfData(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main")})
	get := func(id, table string) {
		s.Record(t.Context(), &aws.Event{Request: request(h, id, userAnn()), Op: &dynamodbapi.GetItem.Operation,
			In: &dynamodbapi.GetItemInput{TableName: &table}, Decisions: []aws.Decision{allowed("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:000000000000:table/"+table)}})
	}
	get("r-before", "songs")
	_, err := s.putEventSelectors(h.Context(t.Context()), &api.PutEventSelectorsRequest{TrailName: new("main"), EventSelectors: []api.EventSelector{{
		IncludeManagementEvents: new(false), DataResources: []api.DataResource{{Type: new("AWS::DynamoDB::Table"), Values: []string{"arn:aws:dynamodb:us-east-1:000000000000:table/songs"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	get("r-songs", "songs")
	get("r-songs2", "songs2")
	happen(t, s, h, "us-east-1", "r-management")
	deliver(t, s)
	if got := n.ids(t); got != "r-songs" {
		t.Errorf("delivered %s", got)
	}
	found, err := s.lookupEvents(h.Context(t.Context()), &api.LookupEventsRequest{})
	if err != nil || len(found.Events) != 1 {
		t.Errorf("a lookup finds %v, %v", found, err)
	}
}

// The trail of an organization has the events of its members, each in the folder of its
// account below the organization's.
func TestDeliveryOfOrganization(t *testing.T) {
	s, n, h := trailHouse(t)
	ctx := aws.WithRequest(t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.Caller{Kind: aws.Root, Account: "222222222222"}})
	in := &api.CreateTrailRequest{Name: new("all"), S3BucketName: new("logs"), IsOrganizationTrail: new(true)}
	if _, err := s.createTrail(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := s.startLogging(ctx, &api.StartLoggingRequest{Name: in.Name}); err != nil {
		t.Fatal(err)
	}
	member := userAnn()
	member.Account = "333333333333"
	for id, c := range map[string]aws.Caller{"r-member": member, "r-stranger": userAnn()} {
		s.Record(t.Context(), &aws.Event{Request: request(h, id, c), Op: &logsapi.DescribeLogGroups.Operation, Decisions: []aws.Decision{allowed("logs:DescribeLogGroups", "*")}})
	}
	deliver(t, s)
	if got := n.ids(t); got != "r-member" {
		t.Errorf("delivered %s", got)
	}
	for key := range n.delivered(t) {
		if !strings.HasPrefix(key, "logs/AWSLogs/o-example/333333333333/CloudTrail/us-east-1/") {
			t.Errorf("delivered to %s", key)
		}
	}
}

// Digests come about each hour, with files and without, each naming the one before; a
// change to a file or a digest would show.
func TestDigests(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main"), EnableLogFileValidation: new(true)})
	happen(t, s, h, "us-east-1", "r1")
	deliver(t, s)
	h.Clock.Advance(time.Hour)
	deliver(t, s)
	h.Clock.Advance(time.Hour) // in which nothing happens
	deliver(t, s)
	happen(t, s, h, "us-east-1", "r2")
	deliver(t, s)
	happen(t, s, h, "us-east-1", "r3")
	h.Clock.Advance(time.Hour)
	deliver(t, s)
	checkChain(t, s, n, h, 3, 3)
	st, err := s.getTrailStatus(h.Context(t.Context()), &api.GetTrailStatusRequest{Name: new("main")})
	if err != nil || st.LatestDigestDeliveryTime == nil || st.LatestDigestDeliveryError != nil {
		t.Errorf("the status is %+v, %v", st, err)
	}
}

// A digest that was put and not noted is put again, the same.
func TestDigestKilled(t *testing.T) {
	s, n, h := trailHouse(t)
	logging(t, s, h, &api.CreateTrailRequest{Name: new("main"), EnableLogFileValidation: new(true)})
	happen(t, s, h, "us-east-1", "r1")
	deliver(t, s)
	h.Clock.Advance(time.Hour)
	s.Store = dying{&failing{Store: h.Store}, n, 2}
	if err := s.deliverAll(t.Context()); err == nil {
		t.Fatal("the store took everything")
	}
	s, n = n.trailing(h)
	h.Clock.Advance(10 * time.Minute)
	happen(t, s, h, "us-east-1", "r2")
	h.Clock.Advance(2 * time.Hour)
	deliver(t, s)
	checkChain(t, s, n, h, 2, 2)
}

// checkChain follows the chain of digests as the AWS CLI does, from the last to the first,
// and checks each signature and each file.
func checkChain(t *testing.T, s *Service, n *neighbours, h *script.House, digests, files int) {
	t.Helper()
	keys, err := s.listPublicKeys(h.Context(t.Context()), &api.ListPublicKeysRequest{})
	if err != nil || len(keys.PublicKeyList) != 1 {
		t.Fatalf("keys %+v, %v", keys, err)
	}
	public, err := x509.ParsePKCS1PublicKey(keys.PublicKeyList[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for key := range n.objects {
		if strings.Contains(key, "/CloudTrail-Digest/") {
			names = append(names, key)
		}
	}
	slices.Sort(names)
	if len(names) != digests {
		t.Fatalf("%d digests: %q", len(names), names)
	}
	seen := 0
	for i := len(names) - 1; i >= 0; i-- {
		o := n.objects[names[i]]
		text := unpack(t, o)
		var d digest
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		previous := "null"
		if i > 0 {
			before := n.objects[names[i-1]]
			previous = before.metadata["signature"]
			if *d.PreviousSignature != previous || *d.PreviousBucket+"/"+*d.PreviousObject != names[i-1] || *d.PreviousHash != hash(unpack(t, before)) {
				t.Errorf("%s does not follow %s", names[i], names[i-1])
			}
		} else if d.PreviousSignature != nil {
			t.Errorf("the first digest has one before")
		}
		signature, err := hex.DecodeString(o.metadata["signature"])
		if err != nil || o.metadata["signature-algorithm"] != "SHA256withRSA" || d.Bucket+"/"+d.Object != names[i] || d.Fingerprint != *keys.PublicKeyList[0].Fingerprint {
			t.Errorf("%s: %v, %v", names[i], o.metadata, err)
		}
		sum := sha256.Sum256([]byte(d.End + "\n" + names[i] + "\n" + hash(text) + "\n" + previous))
		if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature); err != nil {
			t.Errorf("%s: %v", names[i], err)
		}
		for _, f := range d.Files {
			seen++
			if hash(unpack(t, n.objects[f.Bucket+"/"+f.Object])) != f.Hash {
				t.Errorf("%s: the hash of %s is another", names[i], f.Object)
			}
		}
	}
	if seen != files {
		t.Errorf("%d files are in digests", seen)
	}
}

// FuzzPending reads what is on disk, whole or not.
func FuzzPending(f *testing.F) {
	f.Add([]byte("12345678{}"))
	f.Add([]byte("1234"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p pending
		if p.UnmarshalBinary(b) != nil {
			return
		}
		again, err := p.MarshalBinary()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}

// FuzzTrailName parses anything; a name that is taken is one's own ARN's.
func FuzzTrailName(f *testing.F) {
	f.Add("main")
	f.Add("arn:aws:cloudtrail:us-east-1:000000000000:trail/main")
	f.Add("1.2.3.4")
	f.Fuzz(func(t *testing.T, text string) {
		ctx := aws.WithRequest(t.Context(), &aws.Request{Region: "us-east-1", Caller: aws.Caller{Account: account}})
		n, err := parseTrail(ctx, text)
		if err != nil {
			return
		}
		if again, err := parseTrail(ctx, n.arn()); err != nil || again.name != n.name || again.region != n.region {
			t.Errorf("%q: %+v, then %+v, %v", text, n, again, err)
		}
	})
}
