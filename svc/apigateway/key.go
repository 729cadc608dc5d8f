package apigateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"

	api "github.com/tule-cloud/tule/api/apigateway"
	"github.com/tule-cloud/tule/aws"
	"github.com/tule-cloud/tule/store"
)

// API keys. Their values are found by an index, since callers send nothing else.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-keys-with-usage-plans.html
var (
	apiKeys   = store.NewTable[api.ApiKey](service, "key")     // by id
	keyValues = store.NewTable[string](service, "key-value")   // value → id
	keyPlans  = store.NewTable[bool](service, "key-plan")      // key id, plan id: the plans that a key is in
	planKeys  = store.NewTable[bool](service, "plan-key")      // plan id, key id: the keys of a plan
	plans     = store.NewTable[api.UsagePlan](service, "plan") // by id
)

const (
	minKeyValue = 20
	maxKeyValue = 128
)

func noKey() error { return api.NotFoundException("Invalid API Key identifier specified") }

func (s *Service) createAPIKey(ctx context.Context, in *api.CreateApiKeyRequest) (*api.ApiKey, error) {
	if len(in.Tags) > maxTags {
		return nil, api.LimitExceededException("Too many tags: %d, the limit is %d", len(in.Tags), maxTags)
	}
	k := s.freshKey(in.Name, in.Value)
	k.Description, k.CustomerId, k.Enabled, k.Tags = in.Description, in.CustomerId, ptr(aws.Value(in.Enabled)), in.Tags
	return update(ctx, s, func(tx store.Tx) (*api.ApiKey, error) {
		for _, on := range in.StageKeys {
			if err := require(ctx, tx, stages, noStage(), aws.Value(on.RestApiId), aws.Value(on.StageName)); err != nil {
				return nil, err
			}
			k.StageKeys = append(k.StageKeys, aws.Value(on.RestApiId)+"/"+aws.Value(on.StageName))
		}
		return k, addKey(ctx, tx, k)
	})
}

// freshKey is a new key; without a value it gets one.
func (s *Service) freshKey(name, value *string) *api.ApiKey {
	if aws.Value(value) == "" {
		value = ptr(aws.RandomID(s.Random, aws.Base62, 40))
	}
	return &api.ApiKey{Id: ptr(aws.RandomID(s.Random, aws.LowerAlnm, 10)), Name: name, Value: value, CreatedDate: s.now(), LastUpdatedDate: s.now(), StageKeys: []string{}}
}

// addKey writes a new key, whose value nobody else may have.
func addKey(ctx context.Context, tx store.Tx, k *api.ApiKey) error {
	switch n := len(*k.Value); {
	case n < minKeyValue:
		return api.BadRequestException("API Key value should be at least %d characters", minKeyValue)
	case n > maxKeyValue:
		return api.BadRequestException("API Key value should be at most %d characters", maxKeyValue)
	}
	taken, err := keyValues.Has(ctx, tx, scope(ctx), *k.Value)
	if err != nil {
		return err
	}
	if taken {
		return api.ConflictException("API Key already exists")
	}
	return errors.Join(apiKeys.Put(tx, scope(ctx), *k, *k.Id), keyValues.Put(tx, scope(ctx), *k.Id, *k.Value))
}

func readKey(ctx context.Context, r store.Reader, id *string) (api.ApiKey, error) {
	k, err := apiKeys.Get(ctx, r, scope(ctx), aws.Value(id))
	return k, orElse(err, noKey())
}

func (s *Service) getAPIKey(ctx context.Context, in *api.GetApiKeyRequest) (*api.ApiKey, error) {
	return view(ctx, s, func(r store.Reader) (*api.ApiKey, error) {
		k, err := readKey(ctx, r, in.ApiKey)
		if !aws.Value(in.IncludeValue) {
			k.Value = nil
		}
		return &k, err
	})
}

func (s *Service) getAPIKeys(ctx context.Context, in *api.GetApiKeysRequest) (*api.ApiKeys, error) {
	return view(ctx, s, func(r store.Reader) (*api.ApiKeys, error) {
		keys, next, err := pageOf(ctx, r, apiKeys, nil, in.Limit, in.Position, func(k *api.ApiKey) bool {
			return strings.HasPrefix(aws.Value(k.Name), aws.Value(in.NameQuery)) && (in.CustomerId == nil || *in.CustomerId == aws.Value(k.CustomerId))
		})
		if !aws.Value(in.IncludeValues) {
			for i := range keys {
				keys[i].Value = nil
			}
		}
		return &api.ApiKeys{Items: keys, Position: next}, err
	})
}

func (s *Service) updateAPIKey(ctx context.Context, in *api.UpdateApiKeyRequest) (*api.ApiKey, error) {
	ops, err := patches(in.PatchOperations)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.ApiKey, error) {
		k, err := readKey(ctx, tx, in.ApiKey)
		if err != nil {
			return nil, err
		}
		for _, p := range ops {
			if err := patchKey(ctx, tx, &k, p); err != nil {
				return nil, err
			}
		}
		k.LastUpdatedDate = s.now()
		if err := apiKeys.Put(tx, scope(ctx), k, *k.Id); err != nil {
			return nil, err
		}
		k.Value = nil
		return &k, nil
	})
}

func patchKey(ctx context.Context, r store.Reader, k *api.ApiKey, p patch) error {
	if p.path == "/stages" {
		return patchStageKey(ctx, r, k, p)
	}
	if err := p.listed("/name", "/description", "/enabled", "/customerId", "/stages"); err != nil {
		return err
	}
	switch p.path {
	case "/name":
		k.Name = p.text()
	case "/description":
		k.Description = p.text()
	case "/customerId":
		k.CustomerId = p.text()
	case "/enabled":
		k.Enabled = p.flag()
	}
	return nil
}

// patchStageKey lets a key open a stage that is in no plan, as keys did before there were plans.
func patchStageKey(ctx context.Context, r store.Reader, k *api.ApiKey, p patch) error {
	apiID, stage, ok := strings.Cut(p.value, "/")
	if !ok {
		return api.BadRequestException("Invalid stage key specified: %s", p.value)
	}
	switch p.op {
	case "add":
		if err := require(ctx, r, stages, noStage(), apiID, stage); err != nil {
			return err
		}
		if !slices.Contains(k.StageKeys, p.value) {
			k.StageKeys = append(k.StageKeys, p.value)
		}
		return nil
	case "remove":
		k.StageKeys = slices.DeleteFunc(k.StageKeys, func(have string) bool { return have == p.value })
		return nil
	}
	return api.BadRequestException("Invalid patch operation specified. Must be one of: [add, remove]")
}

func (s *Service) deleteAPIKey(ctx context.Context, in *api.DeleteApiKeyRequest) (*aws.Empty, error) {
	return s.none(ctx, func(tx store.Tx) error {
		k, err := readKey(ctx, tx, in.ApiKey)
		if err != nil {
			return err
		}
		for e, err := range keyPlans.List(ctx, tx, scope(ctx), store.ListOptions{Prefix: []any{*k.Id}}) {
			if err != nil {
				return err
			}
			if err := leavePlan(tx, scope(ctx), e.Key.String(1), *k.Id); err != nil {
				return err
			}
		}
		return errors.Join(apiKeys.Delete(tx, scope(ctx), *k.Id), keyValues.Delete(tx, scope(ctx), *k.Value))
	})
}

// keyColumns are the columns of a file of keys, in lower case.
var keyColumns = []string{"name", "key", "description", "enabled", "usageplanids"}

// importAPIKeys reads a file of keys: one with a fault is left out, or with failOnWarnings
// keeps all others out.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html
func (s *Service) importAPIKeys(ctx context.Context, in *api.ImportApiKeysRequest) (*api.ApiKeyIds, error) {
	rows, err := readKeyFile(in.Body)
	if err != nil {
		return nil, err
	}
	return update(ctx, s, func(tx store.Tx) (*api.ApiKeyIds, error) {
		out := &api.ApiKeyIds{Ids: []string{}, Warnings: []string{}}
		for n, row := range rows {
			k := s.freshKey(ptr(row["name"]), ptr(row["key"]))
			k.Description, k.Enabled = patch{value: row["description"]}.text(), ptr(strings.EqualFold(row["enabled"], "true"))
			err := importKey(ctx, tx, k, row["usageplanids"])
			var refused *aws.Error
			if errors.As(err, &refused) && !refused.Server() {
				if aws.Value(in.FailOnWarnings) {
					return nil, api.BadRequestException("Failed to import API keys: line %d: %s", n+2, refused.Message)
				}
				out.Warnings = append(out.Warnings, refused.Message)
				continue
			}
			if err != nil {
				return nil, err
			}
			out.Ids = append(out.Ids, *k.Id)
		}
		return out, nil
	})
}

// importKey adds a key to its plans, of which all must be there before anything is written.
func importKey(ctx context.Context, tx store.Tx, k *api.ApiKey, in string) error {
	var into []api.UsagePlan
	for id := range strings.SplitSeq(in, ",") {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		p, err := readPlan(ctx, tx, &id)
		if err != nil {
			return err
		}
		into = append(into, p)
	}
	if err := apart(into); err != nil {
		return err
	}
	if err := addKey(ctx, tx, k); err != nil {
		return err
	}
	for _, p := range into {
		if err := joinPlan(tx, scope(ctx), *p.Id, *k.Id); err != nil {
			return err
		}
	}
	return nil
}

func readKeyFile(body []byte) ([]map[string]string, error) {
	r := csv.NewReader(bytes.NewReader(body))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, api.BadRequestException("Failed to parse API keys: the file has no header")
	}
	for i := range head {
		head[i] = strings.ToLower(strings.TrimSpace(head[i]))
		if !slices.Contains(keyColumns, head[i]) {
			return nil, api.BadRequestException("Failed to parse API keys: unknown column %s", head[i])
		}
	}
	if !slices.Contains(head, "name") || !slices.Contains(head, "key") {
		return nil, api.BadRequestException("Failed to parse API keys: the columns name and key are required")
	}
	var rows []map[string]string
	for {
		fields, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, api.BadRequestException("Failed to parse API keys: %v", err)
		}
		row := map[string]string{}
		for i, name := range head {
			row[name] = strings.TrimSpace(fields[i])
		}
		rows = append(rows, row)
	}
}
