// Interactions with eris and with dysnomia, whose parts are alike.
import { CHOICES, FILE } from './protocol.mjs';

export async function answer(interaction, { file, autocomplete }) {
  const { data } = interaction;
  if (interaction.type === 4) {
    const typed = data.options.find((option) => option.focused).value;
    await autocomplete(interaction, CHOICES.filter((c) => c.startsWith(typed)).map((c) => ({ name: c, value: c })));
  } else if (interaction.type === 3) {
    await interaction.createMessage({ content: 'pressed' });
  } else if (data.type === 2) {
    await interaction.createMessage({ content: `who: ${data.target_id ?? data.targetID}` });
  } else if (data.type === 3) {
    const id = data.target_id ?? data.targetID;
    const message = data.resolved.messages.get(id);
    await interaction.createMessage({ content: `quote: ${message.content}` });
  } else if (data.name === 'ping') {
    await interaction.createMessage({ content: 'pong' });
  } else if (data.name === 'later') {
    await interaction.defer();
    await file(interaction, { content: 'here it is' }, FILE);
  } else if (data.name === 'buttons') {
    await interaction.createMessage({
      content: 'press',
      components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Go', custom_id: 'go', customID: 'go' }] }],
    });
  } else if (data.name === 'find') {
    await interaction.createMessage({ content: `found ${data.options[0].value}` });
  }
}
