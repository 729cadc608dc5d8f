// The back end of the movies API: one function behind five methods. The API's
// mapping template tells it which was called (resourcePath) and with what (body).
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import {
  DeleteCommand, DynamoDBDocumentClient, GetCommand, PutCommand, ScanCommand, UpdateCommand,
} from "@aws-sdk/lib-dynamodb";

const TableName = process.env.TABLE;
const table = DynamoDBDocumentClient.from(new DynamoDBClient());

const key = ({ year, title }) => ({ year: Number(year), title });

const actions = {
  "/movies": async () => {
    const { Items, Count } = await table.send(new ScanCommand({ TableName }));
    return { count: Count, movies: Items };
  },
  "/movies/add-movie": async (movie) => {
    await table.send(new PutCommand({ TableName, Item: { ...movie, ...key(movie) } }));
    return { added: key(movie) };
  },
  "/movies/findbytitleandyear": async (movie) => {
    const { Item } = await table.send(new GetCommand({ TableName, Key: key(movie) }));
    return Item ?? { error: "no such movie" };
  },
  "/movies/update-movie": async (movie) => {
    const { Attributes } = await table.send(new UpdateCommand({
      TableName, Key: key(movie), ReturnValues: "ALL_NEW",
      UpdateExpression: "SET info = :info",
      ConditionExpression: "attribute_exists(title)",
      ExpressionAttributeValues: { ":info": movie.info },
    }));
    return Attributes;
  },
  "/movies/delete-movie": async (movie) => {
    const { Attributes } = await table.send(new DeleteCommand({ TableName, Key: key(movie), ReturnValues: "ALL_OLD" }));
    return Attributes ? { deleted: key(movie) } : { error: "no such movie" };
  },
};

export const handler = async (event, context) => {
  console.log(`API request ${event.requestId}, Lambda request ${context.awsRequestId}: ${event.method} ${event.resourcePath}`);
  return actions[event.resourcePath](event.body);
};
