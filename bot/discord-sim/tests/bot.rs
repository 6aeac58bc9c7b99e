//! The real serenity and poise against the simulated REST and gateway: commands, answers, files, nicknames, errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
mod common;

use common::{LONG, http, run, start_sim};
use discord_sim::{AnswerKind, Event, Sim, SimError};
use poise::serenity_prelude as serenity;
use serde_json::json;
use serenity::{CreateAttachment, EditMember, GatewayIntents};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Context<'a> = poise::Context<'a, (), Error>;

/// Answers at once, to the asker alone.
#[poise::command(slash_command, guild_only)]
async fn ping(ctx: Context<'_>) -> Result<(), Error> {
    ctx.send(poise::CreateReply::default().content("pong").ephemeral(true)).await?;
    Ok(())
}

async fn fruits(_: Context<'_>, partial: &str) -> serenity::CreateAutocompleteResponse {
    let fitting = ["apple", "apricot", "banana"].into_iter().filter(|fruit| fruit.starts_with(partial));
    let choice = |fruit: &str| serenity::AutocompleteChoice::new(fruit, fruit);
    serenity::CreateAutocompleteResponse::new().set_choices(fitting.map(choice).collect())
}

#[poise::command(slash_command, subcommands("order"))]
async fn shop(_: Context<'_>) -> Result<(), Error> {
    Ok(())
}

/// Takes its time, then answers with a file, and with a second message.
#[poise::command(slash_command)]
async fn order(
    ctx: Context<'_>,
    #[description = "What"]
    #[autocomplete = "fruits"]
    fruit: String,
    #[description = "How many"] count: u8,
    #[description = "Whom for"] guest: Option<serenity::User>,
) -> Result<(), Error> {
    ctx.defer().await?;
    let name = guest.map_or_else(|| "nobody".to_owned(), |guest| guest.name);
    let receipt = CreateAttachment::bytes(vec![0_u8, 1, 2, 255], "receipt.bin");
    let reply =
        poise::CreateReply::default().content(format!("{count} {fruit} for {name}")).attachment(receipt);
    ctx.send(reply).await?;
    ctx.send(poise::CreateReply::default().content("anything else?")).await?;
    Ok(())
}

/// Marks the bot's nickname.
#[poise::command(slash_command, guild_only)]
async fn mark(ctx: Context<'_>) -> Result<(), Error> {
    let guild = ctx.guild_id().ok_or("no guild")?;
    let me = ctx.framework().bot_id();
    guild.edit_member(ctx.http(), me, EditMember::new().nickname("● Antiphon")).await.ok();
    guild.edit_nickname(ctx.http(), Some("● Antiphon")).await?;
    ctx.say("marked").await?;
    Ok(())
}

/// Asks with a button; what becomes of it is in `pressed`.
#[poise::command(slash_command)]
async fn ask(ctx: Context<'_>) -> Result<(), Error> {
    let buttons =
        vec![serenity::CreateActionRow::Buttons(vec![serenity::CreateButton::new("yes").label("Yes")])];
    ctx.send(poise::CreateReply::default().content("sure?").components(buttons)).await?;
    Ok(())
}

async fn pressed(ctx: &serenity::Context, event: &serenity::FullEvent) -> Result<(), Error> {
    if let serenity::FullEvent::InteractionCreate { interaction: serenity::Interaction::Component(press) } =
        event
    {
        let message = serenity::CreateInteractionResponseMessage::new();
        let message =
            message.content(format!("{}: {}", press.user.name, press.data.custom_id)).components(vec![]);
        press.create_response(ctx, serenity::CreateInteractionResponse::UpdateMessage(message)).await?;
    }
    Ok(())
}

/// Starts a poise bot with the commands above; they are registered when this returns.
async fn start_bot(sim: &Sim) -> tokio::task::JoinHandle<()> {
    let framework = poise::Framework::builder()
        .options(poise::FrameworkOptions {
            commands: vec![ping(), shop(), mark(), ask()],
            event_handler: |framework, event| Box::pin(pressed(framework.serenity_context, event)),
            ..poise::FrameworkOptions::default()
        })
        .setup(|ctx, _ready, framework| {
            Box::pin(async move {
                poise::builtins::register_globally(ctx, &framework.options().commands).await?;
                Ok(())
            })
        })
        .build();
    let intents = GatewayIntents::non_privileged();
    let mut client = serenity::ClientBuilder::new_with_http(http(sim, sim.bot_token()), intents)
        .framework(framework)
        .await
        .unwrap();
    let task = tokio::spawn(async move {
        client.start().await.unwrap();
    });
    sim.events().wait_for(|e| matches!(e, Event::CommandsRegistered { .. }), LONG).await.unwrap();
    task
}

#[test]
fn a_poise_bot_answers_commands() {
    run(async {
        let sim = start_sim().await;
        let user = sim.add_user("Ada");
        let bot = start_bot(&sim).await;

        let answer = sim.invoke(user, "/ping", &json!({})).unwrap().answer(LONG).await.unwrap();
        assert_eq!((answer.content(), answer.ephemeral(), answer.kind), ("pong", true, AnswerKind::Message));

        let options = json!({ "fruit": "apple", "count": 3, "guest": user.to_string() });
        let invocation = sim.invoke(user, "/shop order", &options).unwrap();
        assert_eq!(invocation.first(LONG).await.unwrap().kind, AnswerKind::Deferred);
        let answer = invocation.answer(LONG).await.unwrap();
        assert_eq!(answer.content(), "3 apple for ada");
        let message = answer.message.unwrap();
        assert_eq!(message.attachments[0].filename, "receipt.bin");
        assert_eq!(&message.attachments[0].data[..], [0, 1, 2, 255]);
        let more = invocation.wait_until(|answer| !answer.followups.is_empty(), LONG).await.unwrap();
        assert_eq!(more.followups[0].content, "anything else?");

        let typing = sim.autocomplete(user, "/shop order", &json!({ "fruit": "ap" }), "fruit").unwrap();
        let choices = typing.answer(LONG).await.unwrap().choices();
        assert_eq!(choices, [("apple".to_owned(), json!("apple")), ("apricot".to_owned(), json!("apricot"))]);

        let answer = sim.invoke(user, "/mark", &json!({})).unwrap().answer(LONG).await.unwrap();
        assert_eq!(answer.content(), "marked");
        assert_eq!(sim.nick(sim.bot_id()).as_deref(), Some("● Antiphon"));

        let asked = sim.invoke(user, "/ask", &json!({})).unwrap().answer(LONG).await.unwrap();
        let message = asked.message.unwrap().id;
        assert!(matches!(sim.press(user, message, "no", &[]), Err(SimError::UnknownComponent { .. })));
        let answer = sim.press(user, message, "yes", &[]).unwrap().answer(LONG).await.unwrap();
        assert_eq!((answer.kind, answer.content()), (AnswerKind::Update, "ada: yes"));

        let missing: Vec<_> = sim
            .events()
            .snapshot()
            .into_iter()
            .filter(|entry| matches!(entry.event, Event::RouteMissing { .. } | Event::Malformed { .. }))
            .collect();
        assert_eq!(missing, []);
        bot.abort();
        sim.shutdown().await;
    });
}

#[test]
fn a_bot_resumes_its_gateway_session_and_misses_nothing() {
    run(async {
        let sim = start_sim().await;
        let user = sim.add_user("Ada");
        let bot = start_bot(&sim).await;
        let me = sim.bot_id();
        let resumed = |e: &Event| matches!(e, Event::GatewayResumed { user, .. } if *user == me);

        let cursor = sim.events().cursor();
        sim.cut_gateway(me).unwrap();
        // Asked while nobody is connected, perhaps: it is kept for the session, and answered once it is resumed.
        let asked = sim.invoke(user, "/ping", &json!({}));
        sim.events().wait_from(cursor, resumed, LONG).await.unwrap();
        if let Ok(asked) = asked {
            assert_eq!(asked.answer(LONG).await.unwrap().content(), "pong");
        }

        let cursor = sim.events().cursor();
        sim.reconnect_gateway(me).unwrap();
        sim.events().wait_from(cursor, resumed, LONG).await.unwrap();
        let answer = sim.invoke(user, "/ping", &json!({})).unwrap().answer(LONG).await.unwrap();
        assert_eq!(answer.content(), "pong");

        let cursor = sim.events().cursor();
        sim.invalidate_gateway(me, false).unwrap();
        let again = |e: &Event| *e == Event::GatewayIdentified { user: me };
        sim.events().wait_from(cursor, again, LONG).await.unwrap();
        bot.abort();
    });
}

#[test]
fn a_wrong_token_is_refused_by_rest_and_gateway() {
    run(async {
        let sim = start_sim().await;
        let refused = http(&sim, "wrong").get_current_user().await.unwrap_err();
        let serenity::Error::Http(serenity::HttpError::UnsuccessfulRequest(response)) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (response.status_code.as_u16(), response.error.message.as_str()),
            (401, "401: Unauthorized")
        );

        let client =
            serenity::ClientBuilder::new_with_http(http(&sim, "wrong"), GatewayIntents::GUILDS).await;
        let refused = client.unwrap().start().await.unwrap_err();
        assert!(format!("{refused:?}").contains("Auth"), "{refused:?}");
        let closed = Event::GatewayClosed { user: None, code: Some(4004) };
        sim.events().wait_for(|e| *e == closed, LONG).await.ok();
    });
}

#[test]
fn messages_are_posted_edited_read_deleted_with_discords_error_codes() {
    run(async {
        let sim = start_sim().await;
        let http = http(&sim, sim.bot_token());
        let channel = serenity::ChannelId::new(sim.text_channel_id().0);
        let mut message = channel.say(&http, "hello").await.unwrap();
        message.edit(&http, serenity::EditMessage::new().content("hello again")).await.unwrap();
        assert_eq!(channel.message(&http, message.id).await.unwrap().content, "hello again");
        let file = CreateAttachment::bytes(b"RIFF".to_vec(), "reply.wav");
        let with_file = channel.send_files(&http, [file], serenity::CreateMessage::new()).await.unwrap();
        assert_eq!(with_file.attachments[0].download().await.unwrap(), b"RIFF");
        message.delete(&http).await.unwrap();
        let all = channel.messages(&http, serenity::GetMessages::new()).await.unwrap();
        assert_eq!(all.iter().map(|m| m.id).collect::<Vec<_>>(), [with_file.id]);

        let code = |error: serenity::Error| match error {
            serenity::Error::Http(serenity::HttpError::UnsuccessfulRequest(response)) => response.error.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(channel.message(&http, message.id).await.unwrap_err()), 10008);
        let nowhere = serenity::ChannelId::new(5);
        assert_eq!(code(nowhere.say(&http, "hello").await.unwrap_err()), 10003);
        assert_eq!(code(http.get_guild(serenity::GuildId::new(5)).await.unwrap_err()), 10004);
        let empty = json!({ "content": " " });
        assert_eq!(code(http.send_message(channel, Vec::new(), &empty).await.unwrap_err()), 50006);
        let long = json!({ "content": "x".repeat(2001) });
        assert_eq!(code(http.send_message(channel, Vec::new(), &long).await.unwrap_err()), 50035);
    });
}

#[test]
fn wrong_uses_of_commands_are_refused_with_the_reason() {
    run(async {
        let sim = start_sim().await;
        let user = sim.add_user("Ada");
        assert!(matches!(sim.invoke(user, "/ping", &json!({})), Err(SimError::UnknownCommand { .. })));
        let bot = start_bot(&sim).await;
        let why = |result: Result<discord_sim::Invocation, SimError>| result.unwrap_err().to_string();
        assert!(why(sim.invoke(user, "/nothing", &json!({}))).contains("ping, shop, mark, ask"));
        assert!(why(sim.invoke(user, "/shop sell", &json!({}))).contains("\"sell\""));
        assert!(why(sim.invoke(user, "/shop order", &json!({ "fruit": "apple" }))).contains("\"count\""));
        let wrong = json!({ "fruit": "apple", "count": "three" });
        assert!(why(sim.invoke(user, "/shop order", &wrong)).contains("three"));
        bot.abort();
    });
}

#[test]
fn routes_that_are_missing_are_noted() {
    run(async {
        let sim = start_sim().await;
        let path = "/api/v10/users/@me/entitlements";
        let response = reqwest::get(format!("{}{path}", sim.http_url())).await.unwrap();
        assert_eq!(response.status(), 404);
        let noted = Event::RouteMissing { method: "GET".to_owned(), path: path.to_owned() };
        sim.events().wait_for(|e| *e == noted, LONG).await.unwrap();
    });
}
